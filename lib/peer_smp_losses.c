/*
 * peer_smp_losses.c - losses of segmentation_models_pytorch, after 0.5.0.
 *
 * Everything is pooled: sums over all images and space, per class.  `pred` is used as sent: with from_logits a sigmoid
 * or (multiclass) a softmax is applied to it, whatever it is.
 */
#include <math.h>

#include "lib/image_kinds.h"
#include "lib/peer_smp.h"

const char *mm_smp_check_mode(mm_smp_mode mode, const mm_args *args)
{
    if (mode == MM_SMP_MULTICLASS && args->task != MM_MULTICLASS)
        return "mode=multiclass needs exclusive classes (task=multiclass)";
    if (mode == MM_SMP_BINARY && args->classes != 1)
        return "mode=binary needs one class";
    if (mode == MM_SMP_MULTILABEL && args->task != MM_MULTILABEL)
        return "mode=multilabel needs independent masks (task=multilabel)";
    return NULL;
}

/* Every loss of a mode begins with these; what follows differs. */
enum { MODE, FROM_LOGITS, IGNORE_INDEX, EPS, CLASS_WEIGHTS, SIXTH };

static mm_smp_mode mode_of(const mm_args *args)
{
    return (mm_smp_mode)args->own[MODE].word;
}

static int from_logits(const mm_args *args)
{
    return args->own[FROM_LOGITS].number != 0.0;
}

static const char *check_modes(const mm_args *args)
{
    const char *wrong = mm_smp_check_mode(mode_of(args), args);

    if (wrong == NULL && mode_of(args) == MM_SMP_BINARY && !mm_is_word(&args->own[CLASS_WEIGHTS]))
        wrong = "class_weights are not supported with mode=binary";
    return wrong;
}

static double class_weight(const mm_args *args, size_t c)
{
    return mm_weight_of_class(&args->own[CLASS_WEIGHTS], c);
}

/* ------------------------------------------------------------------ overlap */

enum { CLASSES = SIXTH, LOG_LOSS, SMOOTH, ALPHA, BETA, GAMMA }; /* Dice, Jaccard; Tversky goes on from ALPHA */

static size_t overlap_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const unsigned activation = mode_of(args) == MM_SMP_MULTICLASS ? MM_FORM_SOFTMAX : MM_FORM_SIGMOID;

    return mm_soft_stats(MM_BY_L1, from_logits(args) ? activation : MM_FORM_SENT, stats);
}

static const char *check_overlap(const mm_args *args)
{
    const mm_arg *classes = &args->own[CLASSES];
    const char *wrong = check_modes(args);

    if (wrong != NULL || mm_is_word(classes))
        return wrong;
    if (mode_of(args) == MM_SMP_BINARY)
        return "classes are not supported with mode=binary";
    for (size_t i = 0; i < (classes->list == NULL ? 1 : classes->count); i++) {
        const double c = classes->list == NULL ? classes->number : classes->list[i];

        if (c != floor(c) || c >= (double)args->classes)
            return "classes takes indices of classes, counted from 0";
    }
    return NULL;
}

/* How many classes were chosen, and the i-th of them. */
static size_t chosen_count(const mm_args *args)
{
    const mm_arg *classes = &args->own[CLASSES];

    return mm_is_word(classes) ? args->classes : classes->list == NULL ? 1 : classes->count;
}

static size_t chosen_class(const mm_args *args, size_t i)
{
    const mm_arg *classes = &args->own[CLASSES];

    return mm_is_word(classes) ? i : (size_t)(classes->list == NULL ? classes->number : classes->list[i]);
}

/* 1 - s or -log max(s, eps), s = (TP + smooth) / max(TP + a FP + b FN + smooth, eps); 0 for a class without label. */
static mm_value overlap_of_class(const mm_cells *cells, const mm_args *args, size_t c, double a, double b)
{
    const double smooth = args->own[SMOOTH].number, eps = args->own[EPS].number;
    const mm_overlap form = {.k = 1.0, .a = a, .b = b, .n0 = smooth, .d0 = smooth, .eps = eps};
    const mm_group x = mm_cell_pooled(cells, c);
    const mm_soft terms = mm_soft_of(&x, MM_BY_L1);
    const mm_value score = mm_soft_score(&terms, &form);

    if (!(terms.g > 0.0))
        return mm_defined(0.0);
    if (score.reason != MM_DEFINED)
        return score;
    if (args->own[LOG_LOSS].number == 0.0)
        return mm_defined(1.0 - score.value);
    return mm_defined(-mm_log(score.value > eps ? score.value : eps));
}

/* sum_c w l / sum_c w over the chosen classes */
static mm_value overlap_loss(const mm_cells *cells, const mm_args *args, double a, double b)
{
    mm_mean mean = {.count = 0};

    for (size_t i = 0; i < chosen_count(args); i++) {
        const size_t c = chosen_class(args, i);

        mm_mean_add(&mean, overlap_of_class(cells, args, c, a, b), class_weight(args, c));
    }
    return mm_mean_value(&mean);
}

static void dice_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = overlap_loss(cells, args, 0.5, 0.5);
}

static void jaccard_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = overlap_loss(cells, args, 1.0, 1.0);
}

/* (sum_c w l / sum_c w)^gamma */
static void tversky_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const double gamma = args->own[GAMMA].number;

    *list = overlap_loss(cells, args, args->own[ALPHA].number, args->own[BETA].number);
    if (list->reason != MM_DEFINED || gamma == 1.0)
        return;
    *list = list->value < 0.0 ? mm_undefined(MM_ZERO_DENOMINATOR) : mm_defined(mm_pow(list->value, gamma));
}

/* -------------------------------------------------------------------- focal */

enum { FOCAL_ALPHA = SIXTH, FOCAL_GAMMA, REDUCTION, NORMALIZED, REDUCED_THRESHOLD };
enum { MEAN, SUM };                   /* choices of `reduction` */
enum { BCE_IN, BCE_OUT, BCE_FACTOR }; /* places in mm_group.sum */

#define LEAST_FACTOR 1e-6 /* of the sum that normalized=true divides by */

/* One class against the rest, by a sigmoid also where classes are exclusive.  Probabilities are clipped and turned back
 * to logits: of a mask log(p / (1-p)), whose sigmoid is p; of exclusive classes log p, whose sigmoid is p / (1+p). */
static size_t focal_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    static const unsigned kinds[] = {MM_SUM_BCE_IN, MM_SUM_BCE_OUT, MM_SUM_BCE_FACTOR};
    const mm_arg *reduced = &args->own[REDUCED_THRESHOLD];
    const unsigned odds = mode_of(args) == MM_SMP_MULTICLASS ? MM_STAT_CLIP | MM_STAT_ODDS : MM_STAT_CLIP;
    const size_t count = args->own[NORMALIZED].number != 0.0 ? 3 : 2;

    for (size_t i = 0; i < count; i++)
        stats[i] = (mm_stat){.kind = kinds[i],
                             .flags = from_logits(args) ? 0 : odds,
                             .form = from_logits(args) ? MM_FORM_SIGMOID : MM_FORM_SENT,
                             .gamma = args->own[FOCAL_GAMMA].number,
                             .eps = from_logits(args) ? 0.0 : args->own[EPS].number,
                             .more = {mm_is_word(reduced) ? 0.0 : reduced->number}};
    return count;
}

/* sum f BCE (alpha g + (1-alpha) (1-g)), over the sum of f and over the voxels as the parameters say */
static mm_value focal_of_class(const mm_group *x, const mm_args *args)
{
    const mm_arg *alpha = &args->own[FOCAL_ALPHA];
    const double in = mm_is_word(alpha) ? 1.0 : alpha->number, out = mm_is_word(alpha) ? 1.0 : 1.0 - alpha->number;
    double loss = in * x->sum[BCE_IN] + out * x->sum[BCE_OUT];

    if (args->own[NORMALIZED].number != 0.0)
        loss /= x->sum[BCE_FACTOR] > LEAST_FACTOR ? x->sum[BCE_FACTOR] : LEAST_FACTOR;
    return args->own[REDUCTION].word == SUM ? mm_defined(loss) : mm_ratio(loss, (double)x->scored, MM_NO_VOXELS);
}

static void focal_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    mm_mean mean = {.count = 0};

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);

        mm_mean_add(&mean, focal_of_class(&x, args), class_weight(args, c));
    }
    *list = mm_mean_value(&mean);
}

/* ------------------------------------------------------------------- Lovasz */

enum { PER_IMAGE = IGNORE_INDEX + 1 }; /* after the mode, from_logits and ignore_index */
enum { LOVASZ };                       /* place in mm_group.sum; its value 0 is a reason, value 1 the loss */

static const char *check_lovasz(const mm_args *args)
{
    return mm_smp_check_mode(mode_of(args), args);
}

static size_t lovasz_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const unsigned flags = args->own[PER_IMAGE].number != 0.0 ? 0 : MM_STAT_BATCH;

    stats[LOVASZ] = mode_of(args) == MM_SMP_MULTICLASS
                        ? (mm_stat){.kind = MM_IMAGE_LOVASZ, .flags = flags, .form = MM_FORM_SOFTMAX}
                        : (mm_stat){.kind = MM_IMAGE_LOVASZ_JOINT, .flags = flags, .form = MM_FORM_SENT, .gamma = 1.0};
    return 1;
}

/* A loss of nothing is 0. */
static double lovasz_of(const mm_group *x)
{
    return mm_wide(x, LOVASZ, 0) == MM_DEFINED ? mm_wide(x, LOVASZ, 1) : 0.0;
}

/* The mean over the classes that have label voxels, 0 when none has; of all classes in one list, that. */
static double lovasz_of_image(const mm_cells *cells, const mm_args *args, size_t image, int pooled)
{
    mm_exact sum = {.count = 0};
    size_t present = 0;

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = pooled ? mm_cell_pooled(cells, c) : mm_cell(cells, image, c);

        if (mode_of(args) != MM_SMP_MULTICLASS)
            return lovasz_of(&x);
        if (x.label == 0)
            continue;
        mm_exact_add(&sum, lovasz_of(&x));
        present++;
    }
    return present == 0 ? 0.0 : mm_exact_round(&sum) / (double)present;
}

static void lovasz_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    mm_mean mean = {.count = 0};

    if (args->own[PER_IMAGE].number == 0.0) {
        *list = mm_defined(lovasz_of_image(cells, args, 0, 1));
        return;
    }
    for (size_t n = 0; n < cells->images->count; n++)
        mm_mean_add(&mean, mm_defined(lovasz_of_image(cells, args, n, 0)), 1.0);
    *list = mm_mean_value(&mean);
}

/* ------------------------------------------------------------ cross-entropy */

/* Voxels with the ignored label count among those that are averaged over, but add nothing. */
static double voxels_with_ignored(const mm_group *x)
{
    return (double)x->scored + (double)x->ignored;
}

enum { SOFT_REDUCTION, SMOOTH_FACTOR, SOFT_IGNORE_INDEX, POS_WEIGHT, WEIGHT }; /* both soft losses; DIM in the first */
enum { DIM = POS_WEIGHT };
enum { POS, LOGP, NEG, LOGQ }; /* places in mm_group.sum */

static double smooth_factor(const mm_args *args)
{
    return mm_is_word(&args->own[SMOOTH_FACTOR]) ? 0.0 : args->own[SMOOTH_FACTOR].number;
}

static const char *check_exclusive(const mm_args *args)
{
    if (args->task != MM_MULTICLASS)
        return "needs exclusive classes (task=multiclass)";
    return args->own[DIM].number == 1.0 ? NULL : "parameter \"dim\" must be 1, the axis of the classes";
}

static size_t soft_cross_entropy_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[POS] = (mm_stat){.kind = MM_SUM_POS, .form = MM_FORM_SOFTMAX};
    stats[LOGP] = (mm_stat){.kind = MM_SUM_LOGP, .form = MM_FORM_SOFTMAX};
    return 2;
}

/* sum_v [(1-e) (-log p_y) + (e/C) sum_c -log p_c], over the number of all voxels */
static void soft_cross_entropy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const double e = smooth_factor(args), classes = (double)args->classes;
    double sum = 0.0, voxels = 0.0;

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);

        sum += (1.0 - e) * x.sum[POS] + e / classes * x.sum[LOGP];
        voxels = voxels_with_ignored(&x);
    }
    *list = args->own[SOFT_REDUCTION].word == SUM ? mm_defined(sum) : mm_ratio(sum, voxels, MM_NO_VOXELS);
}

static const char *soft_cross_entropy_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    (void)cells;
    (void)list;
    return mm_is_word(&args->own[SMOOTH_FACTOR]) ? "smooth_factor=none fails in the peer; taken as 0" : NULL;
}

static const char *check_soft_bce(const mm_args *args)
{
    const char *wrong = mm_check_per_class(&args->own[POS_WEIGHT], args);

    return wrong != NULL ? wrong : mm_check_per_class(&args->own[WEIGHT], args);
}

static size_t soft_bce_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[POS] = (mm_stat){.kind = MM_SUM_POS, .form = MM_FORM_SIGMOID};
    stats[LOGP] = (mm_stat){.kind = MM_SUM_LOGP, .form = MM_FORM_SIGMOID};
    stats[NEG] = (mm_stat){.kind = MM_SUM_NEG, .form = MM_FORM_SIGMOID};
    stats[LOGQ] = (mm_stat){.kind = MM_SUM_LOGQ, .form = MM_FORM_SIGMOID};
    return smooth_factor(args) == 0.0 ? 3 : 4;
}

/* sum of w (-pw t log p - (1-t) log(1-p)), t = g (1-e) + (1-g) e: with A = 1 - 2e, t = A g + e and 1-t = A (1-g) + e */
static double soft_bce_of_class(const mm_group *x, const mm_args *args)
{
    const double e = smooth_factor(args), a = 1.0 - 2.0 * e;
    const double w = mm_weight_of_class(&args->own[WEIGHT], x->index);
    const double pw = mm_weight_of_class(&args->own[POS_WEIGHT], x->index);
    const double of_label = a * x->sum[POS] + (e == 0.0 ? 0.0 : e * x->sum[LOGP]);
    const double of_rest = a * x->sum[NEG] + (e == 0.0 ? 0.0 : e * x->sum[LOGQ]);

    return w * (pw * of_label + of_rest);
}

/* The mean over all voxels and classes. */
static void soft_bce(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    double sum = 0.0, elements = 0.0;

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);

        sum += soft_bce_of_class(&x, args);
        elements += voxels_with_ignored(&x);
    }
    *list = args->own[SOFT_REDUCTION].word == SUM ? mm_defined(sum) : mm_ratio(sum, elements, MM_NO_VOXELS);
}

/* ---------------------------------------------------------------------- MCC */

enum { MCC_EPS };

static const char *check_one_class(const mm_args *args)
{
    return args->classes == 1 ? NULL : "needs one class";
}

static size_t mcc_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return mm_soft_stats(MM_BY_PRODUCT, MM_FORM_SENT, stats);
}

/* 1 - the Matthews coefficient of soft counts, each + eps */
static void mcc_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const double eps = args->own[MCC_EPS].number;
    const mm_group x = mm_cell_pooled(cells, 0);
    const mm_soft soft = mm_soft_of(&x, MM_BY_PRODUCT);
    const double tn = (double)x.scored - soft.tp - soft.fp - soft.fn;
    const mm_counts counts = {.tp = soft.tp + eps, .fp = soft.fp + eps, .fn = soft.fn + eps, .tn = tn + eps};

    *list = mm_defined(1.0 - mm_rate_of(MM_RATE_MCC, &counts, 1.0));
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define MODE_PARAMS \
    [MODE]         = {"mode", MM_WORD, NULL, 0, 0, MM_SMP_MODES, "one mask, exclusive classes, or independent masks; as the data"}, \
    [FROM_LOGITS]  = {"from_logits", MM_BOOLEAN, "true", 0, 0, NULL, "apply a sigmoid or (multiclass) a softmax to pred"}, \
    [IGNORE_INDEX] = MM_PARAM_IGNORE_INDEX("none")
#define COMMON_PARAMS \
    MODE_PARAMS, \
    [EPS]           = {"eps", MM_NUMBER, "1e-7", 0, 0.5, NULL, "least denominator, least number that a logarithm is taken of"}, \
    [CLASS_WEIGHTS] = {"class_weights", MM_WORD_OR_LIST, "none", 0, 1e6, "none", "one weight per class; the mean is divided by their sum"}
#define OVERLAP_PARAMS \
    COMMON_PARAMS, \
    [CLASSES]  = {"classes", MM_NUMBERS, "none", 0, 4095, "none", "indices of the classes that count"}, \
    [LOG_LOSS] = {"log_loss", MM_BOOLEAN, "false", 0, 0, NULL, "minus the logarithm of the score, else 1 minus it"}, \
    [SMOOTH]   = {"smooth", MM_NUMBER, "0", 0, 1e6, NULL, "added to numerator and denominator"}
#define REDUCTION_PARAM {"reduction", MM_WORD, "mean", 0, 0, "mean|sum", "mean or sum of the voxels"}
#define SMOOTH_FACTOR_PARAM {"smooth_factor", MM_NUMBER, "none", 0, 1, "none", "label smoothing"}

static const mm_param overlap_params[] = {OVERLAP_PARAMS};
static const mm_param tversky_params[] = {OVERLAP_PARAMS,
    [ALPHA] = {"alpha", MM_NUMBER, "0.5", 0, 1e6, NULL, "price of a false positive"},
    [BETA]  = {"beta", MM_NUMBER, "0.5", 0, 1e6, NULL, "price of a false negative"},
    [GAMMA] = {"gamma", MM_NUMBER, "1", 0, 100, NULL, "power of the mean"}};
static const mm_param focal_params[] = {COMMON_PARAMS,
    [FOCAL_ALPHA]       = {"alpha", MM_NUMBER, "none", 0, 1, "none", "weight of label voxels; 1 - alpha of others"},
    [FOCAL_GAMMA]       = {"gamma", MM_NUMBER, "2", 0, 100, NULL, "how strongly easy voxels are played down"},
    [REDUCTION]         = REDUCTION_PARAM,
    [NORMALIZED]        = {"normalized", MM_BOOLEAN, "false", 0, 0, NULL, "divide by the sum of the factors of all voxels"},
    [REDUCED_THRESHOLD] = {"reduced_threshold", MM_NUMBER, "none", 1e-6, 1, "none", "below it the factor is 1, from it on ((1 - p_t) / threshold)^gamma"}};
static const mm_param lovasz_params[] = {MODE_PARAMS,
    [PER_IMAGE] = {"per_image", MM_BOOLEAN, "false", 0, 0, NULL, "mean over images; else the voxels of all images of an upload in one list"}};
static const mm_param soft_cross_entropy_params[] = {
    [SOFT_REDUCTION]    = REDUCTION_PARAM,
    [SMOOTH_FACTOR]     = SMOOTH_FACTOR_PARAM,
    [SOFT_IGNORE_INDEX] = MM_PARAM_IGNORE_INDEX("-100"),
    [DIM]               = {"dim", MM_NUMBER, "1", 1, 1, NULL, "the axis of the classes"}};
static const mm_param soft_bce_params[] = {
    [SOFT_REDUCTION]    = REDUCTION_PARAM,
    [SMOOTH_FACTOR]     = SMOOTH_FACTOR_PARAM,
    [SOFT_IGNORE_INDEX] = MM_PARAM_IGNORE_INDEX("-100"),
    [POS_WEIGHT]        = {"pos_weight", MM_NUMBERS, "none", 0, 1e6, "none", "weight of the label's term; one number, or one for each class"},
    [WEIGHT]            = {"weight", MM_NUMBERS, "none", 0, 1e6, "none", "weight of the whole term; one number, or one for each class"}};
static const mm_param mcc_params[] = {
    [MCC_EPS] = {"eps", MM_NUMBER, "1e-5", 0, 1, NULL, "added to each of TP, TN, FP, FN"}};

#define LOSS(NAME, SUMMARY, FORMULA, UNDEFINED, PARAMS) \
    .name = "smp." NAME, .summary = (SUMMARY), .formula = (FORMULA), .source = MM_SMP_SOURCE, .undefined = (UNDEFINED), \
    .kind = MM_LOSS, .better = MM_LOWER, .params = (PARAMS), .param_count = MM_COUNT(PARAMS)
#define NEVER_BUT "the weights of all classes are 0"

static const mm_score rows[] = {
    {.info = {LOSS("DiceLoss", "One minus soft Dice of each class over the whole batch; classes without label voxels count as 0.",
          "mean_c of 1 - s or -log max(s, eps), s = (TP + smooth) / max(TP + (FP + FN)/2 + smooth, eps), TP = (P + G - sum |p-g|)/2; "
          "0 where G = 0", NEVER_BUT, overlap_params)},
     .stats = overlap_stats, .check = check_overlap, .peer = dice_loss,
     .example = "smp.DiceLoss(mode=binary,from_logits=false)", .witness = 0.25},
    {.info = {LOSS("JaccardLoss", "One minus soft intersection over union of each class over the whole batch.",
          "mean_c of 1 - s or -log max(s, eps), s = (TP + smooth) / max(TP + FP + FN + smooth, eps), TP as in smp.DiceLoss; "
          "0 where G = 0", NEVER_BUT, overlap_params)},
     .stats = overlap_stats, .check = check_overlap, .peer = jaccard_loss,
     .example = "smp.JaccardLoss(mode=binary,from_logits=false)", .witness = 0.4},
    {.info = {LOSS("TverskyLoss", "One minus the soft Tversky index of each class over the whole batch; the mean raised to gamma.",
          "(mean_c of 1 - s or -log max(s, eps))^gamma, s = (TP + smooth) / max(TP + alpha FP + beta FN + smooth, eps); 0 where G = 0",
          NEVER_BUT ", or a power of a negative mean", tversky_params)},
     .stats = overlap_stats, .check = check_overlap, .peer = tversky_loss,
     .example = "smp.TverskyLoss(mode=binary,from_logits=false,gamma=2)", .witness = 0.0625},
    {.info = {LOSS("FocalLoss", "Focal loss of each class against the rest, by a sigmoid also where classes are exclusive.",
          "mean_c mean_nv of a_t (1 - p_t)^gamma BCE, p_t = exp(-BCE), a_t = alpha g + (1-alpha) (1-g)", "no voxel is scored", focal_params)},
     .stats = focal_stats, .check = check_modes, .peer = focal_loss,
     .example = "smp.FocalLoss(mode=binary)", .witness = 0.16023248600634177},
    {.info = {LOSS("LovaszLoss", "Lovasz-softmax over the classes with label voxels, or the Lovasz hinge of all masks in one list.",
          "multiclass: mean over present c of sum_k e_k (J_k - J_(k-1)), e = |g - softmax|; else e = max(1 - x (2g - 1), 0)",
          "never; a merged evaluation has it only with per_image", lovasz_params)},
     .stats = lovasz_stats, .check = check_lovasz, .peer = lovasz_loss,
     .example = "smp.LovaszLoss(mode=binary,per_image=true)", .witness = 0.79166666666666663},
    {.info = {LOSS("SoftCrossEntropyLoss", "Cross-entropy with label smoothing; ignored voxels count in the number of voxels.",
          "sum_v [(1-e) (-log p_y) + (e/C) sum_c -log p_c] / (scored + ignored voxels), p = softmax of pred", "there is no voxel",
          soft_cross_entropy_params)},
     .stats = soft_cross_entropy_stats, .check = check_exclusive, .peer = soft_cross_entropy, .note = soft_cross_entropy_note,
     .witness = 0.503204434039084},
    {.info = {LOSS("SoftBCEWithLogitsLoss", "Binary cross-entropy with label smoothing; ignored voxels count in the number of voxels.",
          "sum of w (-pw t log p - (1-t) log(1-p)) / (C (scored + ignored voxels)), t = g (1-e) + (1-g) e, p = sigmoid of pred",
          "there is no voxel", soft_bce_params)},
     .stats = soft_bce_stats, .check = check_soft_bce, .peer = soft_bce, .witness = 0.6136407091095953},
    {.info = {LOSS("MCCLoss", "One minus the Matthews correlation coefficient of one mask over the whole batch; pred is taken as probabilities.",
          "1 - (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)), each of TP, TN, FP, FN soft and + eps", "eps = 0 and a factor is 0",
          mcc_params)},
     .stats = mcc_stats, .check = check_one_class, .peer = mcc_loss, .witness = 0.5000049999500005},
};
/* clang-format on */

const mm_score_family mm_peers_smp_losses = {rows, MM_COUNT(rows)};
