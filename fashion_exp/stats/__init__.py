"""Statistics library: arrays and counts in, intervals, tests and sample sizes out.

It imports nothing else of this project. To find a function:

| question | module: functions |
|---|---|
| accuracy, loss, macro-F1, confusion matrix | `metrics` |
| interval for an accuracy on one test set | `proportions`: `wilson`, `clopper_pearson` |
| the same, images in groups | `proportions`: `wilson_grouped` |
| interval over folds or repeated splits | `redrawn`: `redrawn_interval` (the default of a run) |
| the same, as Nadeau and Bengio published it | `t_intervals`: `corrected_t_interval` |
| interval over several seeds on one split | `crossed`: `crossed_t_interval` |
| interval for any other metric | `bootstrap`: `bootstrap` |
| one model on two samples of images | `proportions`: `independent_difference` |
| two models, right or wrong per image | `paired`: `mcnemar`, `tango` |
| two models, any per-image score | `bootstrap`: `paired_bootstrap` |
| two models, images in groups | `paired_t`: `paired_grouped` |
| two recipes, folds or repeated splits | `paired_t`: `paired_corrected_t`, `five_by_two` |
| the same, as a posterior with a ROPE | `paired_t`: `bayesian_correlated_t` |
| two recipes, several seeds on one split | `paired_crossed`: `paired_crossed`, `unpaired_crossed` |
| two models, labels where they disagree | `disagreement`: `disagreement_difference` |
| labels saved to reach an accuracy | `label_savings`: `labels_saved` |
| what more training images would gain | `power_law`: `extrapolate`, `check_extrapolation` |
| many comparisons | `multiplicity`: `holm`, `cochrans_q` |
| a series of decisions without an end | `series`: `next_level` |
| decisions while data or trainings grow | `sequential` |
| slices of the images, against the others | `slices` |
| a difference within a ROPE, as a probability | `posterior`: `t_posterior` |
| what each further image or training would gain | `next_units` |
| several classes at once | `multilabel`; mAP: `mean_average_precision` |
| agreement and accuracy of annotators | `annotators` |
| a few labels beside many predictions | `prediction_powered` |
| the best of several runs against the others | `multiplicity`: `holm_selected`, `may_be_best` |
| few splits, but several pairs | `moderation`: `fit_variance_prior` |
| the best of many configs | `selection`: `bbc_cv` |
| whether a target accuracy is reached | `planning`: `assess_target` |
| probabilities that match accuracies | `calibration`: `fit_temperature`, `calibration_error` |
| sets of classes with a coverage | `conformal`: `conformal_scores`, `prediction_sets` |
| when to leave an image to a person | `selective`: `risk_coverage`, `accuracy_threshold` |
| images of no known class | `novelty`: `fit_mahalanobis`, `auroc` |
| how many images or seeds are needed | `planning`: `images_*`, `seeds_to_separate` |
| intervals as others publish them | `t_intervals`: `t_interval`, `t_naive`, `epoch_spread` |

Every interval is an `interval.Interval` and names its estimand; every paired test is a
`paired.PairedTest`. `checks` validates inputs; `groups` holds the cluster-robust mean.
"""
