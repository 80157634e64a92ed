"""What may be concluded from several runs: from their stored predictions, nothing trained again."""
