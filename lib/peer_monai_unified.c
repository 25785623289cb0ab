/*
 * peer_monai_unified.c - MONAI's asymmetric focal losses of background and one foreground class.
 *
 * Class 0 is the background, class 1 the foreground; the peer leaves further classes out.  Probabilities, clamped to
 * [epsilon, 1 - epsilon].
 */
#include "lib/peer_monai.h"

/* How both parts were asked for. */
typedef struct shape_of {
    double delta, gamma, epsilon;
} shape_of;

enum { DELTA, GAMMA, EPSILON, IGNORED_REDUCTION, ONEHOT }; /* of the parts */

static shape_of part_of(const mm_args *args)
{
    return (shape_of){args->own[DELTA].number, args->own[GAMMA].number, args->own[EPSILON].number};
}

static const char *needs_two(const mm_args *args)
{
    return args->classes < 2 ? "there must be a background and a foreground class"
                             : mm_monai_check_onehot(&args->own[ONEHOT], args);
}

/* -------------------------------------------------------------------- focal */

enum { BACK, FORE, FOCAL_COLUMNS }; /* columns: (1-p)^gamma CE, and CE */

/* One class: the background is 1 - p of it. */
static size_t focal_columns(const mm_args *args, const shape_of *shape, mm_stat *stats)
{
    const mm_stat plain = {.form = MM_FORM_SENT, .flags = MM_STAT_CLIP, .eps = shape->epsilon};

    stats[BACK] = stats[FORE] = plain;
    stats[BACK].kind = args->classes == 1 ? MM_SUM_NEG : MM_SUM_POS;
    stats[BACK].gamma = shape->gamma;
    stats[FORE].kind = MM_SUM_POS;
    return FOCAL_COLUMNS;
}

/* mean over voxels of (1-delta) (1-p0)^gamma (-g0 log p0) + delta (-g1 log p1); columns from `at` on. */
static mm_value focal_value(const mm_cells *cells, const mm_args *args, const shape_of *shape, size_t at)
{
    const mm_group back = mm_cell_pooled(cells, 0), fore = mm_cell_pooled(cells, args->classes == 1 ? 0 : 1);

    return mm_ratio((1.0 - shape->delta) * back.sum[at + BACK] + shape->delta * fore.sum[at + FORE],
                    (double)back.scored, MM_NO_VOXELS);
}

static size_t focal_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const shape_of shape = part_of(args);

    return focal_columns(args, &shape, stats);
}

static void focal_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const shape_of shape = part_of(args);

    *list = focal_value(cells, args, &shape, 0);
}

/* ------------------------------------------------------------------ Tversky */

static size_t tversky_columns(const shape_of *shape, mm_stat *stats)
{
    const size_t count = mm_soft_stats(MM_BY_PRODUCT, MM_FORM_SENT, stats);

    for (size_t i = 0; i < count; i++)
        if (stats[i].kind != MM_SUM_G) {
            stats[i].flags = MM_STAT_CLIP;
            stats[i].eps = shape->epsilon;
        }
    return count;
}

/* The background of a single class: 1 - p against 1 - g. */
static mm_soft rest_of(const mm_group *x, mm_soft of_class)
{
    return (mm_soft){.tp = (double)x->scored - of_class.tp - of_class.fp - of_class.fn,
                     .fp = of_class.fn,
                     .fn = of_class.fp,
                     .g = (double)x->scored - of_class.g};
}

/* 1 - (TP + e) / (TP + delta FN + (1-delta) FP + e) */
static double tversky_part(const mm_soft *x, const shape_of *shape)
{
    const mm_overlap form = {
        .k = 1.0, .a = 1.0 - shape->delta, .b = shape->delta, .n0 = shape->epsilon, .d0 = shape->epsilon};

    return 1.0 - mm_soft_score(x, &form).value;
}

/* mean over images of (1 - s0) and (1 - s1)^(1-gamma); the columns come first. */
static mm_value tversky_value(const mm_cells *cells, const mm_args *args, const shape_of *shape)
{
    const int one = args->classes == 1;
    mm_mean all = {.count = 0};

    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_group first = mm_cell(cells, n, 0), second = mm_cell(cells, n, one ? 0 : 1);
        const mm_soft fore = mm_soft_of(&second, MM_BY_PRODUCT), own = mm_soft_of(&first, MM_BY_PRODUCT);
        const mm_soft back = one ? rest_of(&first, own) : own;
        const double loss = tversky_part(&fore, shape);

        mm_mean_add(&all, mm_defined(tversky_part(&back, shape)), 1.0);
        mm_mean_add(&all, mm_defined(mm_pow(loss > 0.0 ? loss : 0.0, 1.0 - shape->gamma)), 1.0);
    }
    return mm_mean_value(&all);
}

static size_t tversky_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const shape_of shape = part_of(args);

    return tversky_columns(&shape, stats);
}

static void tversky_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const shape_of shape = part_of(args);

    *list = tversky_value(cells, args, &shape);
}

/* ------------------------------------------------------------------ unified */

enum { U_WEIGHT, U_GAMMA, U_DELTA, U_REDUCTION, U_ONEHOT };

static shape_of unified_of(const mm_args *args)
{
    return (shape_of){args->own[U_DELTA].number, args->own[U_GAMMA].number, 1e-7};
}

static size_t unified_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const shape_of shape = unified_of(args);
    const size_t count = tversky_columns(&shape, stats);

    return count + focal_columns(args, &shape, stats + count);
}

static const char *unified_check(const mm_args *args)
{
    return mm_monai_check_onehot(&args->own[U_ONEHOT], args);
}

static void unified_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const shape_of shape = unified_of(args);
    const double weight = args->own[U_WEIGHT].number;

    *list = mm_mix(weight, focal_value(cells, args, &shape, cells->need_count - FOCAL_COLUMNS), 1.0 - weight,
                   tversky_value(cells, args, &shape));
}

static const char *unified_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    (void)cells;
    (void)list;
    return args->classes == 1
               ? "with one class the peer cuts probabilities to class numbers; here the background is 1 - p"
               : NULL;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define PART_PARAMS(gamma, meaning) \
    [DELTA]   = {"delta", MM_NUMBER, "0.7", 0, 1, NULL, "weight of the foreground, and of false negatives"}, \
    [GAMMA]   = {"gamma", MM_NUMBER, gamma, 0, 100, NULL, meaning}, \
    [EPSILON] = {"epsilon", MM_NUMBER, "1e-7", 1e-12, 0.1, NULL, "probabilities are clamped to [epsilon, 1 - epsilon]"}, \
    [IGNORED_REDUCTION] = REDUCTION_PARAM, \
    [ONEHOT]  = MM_MONAI_ONEHOT_PARAM
#define REDUCTION_PARAM {"reduction", MM_WORD, "mean", 0, 0, "mean|sum|none", "has no effect, as in the peer"}

static const mm_param focal_params[] = {PART_PARAMS("2", "how strongly easy background voxels are played down")};
static const mm_param tversky_params[] = {
    [DELTA]   = {"delta", MM_NUMBER, "0.7", 0, 1, NULL, "price of a false negative; 1 - delta of a false positive"},
    [GAMMA]   = {"gamma", MM_NUMBER, "0.75", 0, 1, NULL, "the foreground's loss is raised to 1 - gamma"},
    [EPSILON] = {"epsilon", MM_NUMBER, "1e-7", 1e-12, 0.1, NULL, "smoothing, and the clamp of probabilities"},
    [IGNORED_REDUCTION] = REDUCTION_PARAM,
    [ONEHOT]  = MM_MONAI_ONEHOT_PARAM};
static const mm_param unified_params[] = {
    [U_WEIGHT]    = {"weight", MM_NUMBER, "0.5", 0, 1, NULL, "share of the focal part"},
    [U_GAMMA]     = {"gamma", MM_NUMBER, "0.5", 0, 1, NULL, "of both parts"},
    [U_DELTA]     = {"delta", MM_NUMBER, "0.7", 0, 1, NULL, "of both parts"},
    [U_REDUCTION] = REDUCTION_PARAM,
    [U_ONEHOT]    = MM_MONAI_ONEHOT_PARAM};

#define FOCAL_FORMULA "mean over voxels of (1-delta) (1-p0)^gamma (-g0 log p0) + delta (-g1 log p1)"
#define TVERSKY_FORMULA "s = (TP + e) / (TP + delta FN + (1-delta) FP + e): mean over images of 1 - s0 and (1 - s1)^(1-gamma)"

static const mm_score rows[] = {
    {.info = {MM_MONAI_LOSS("AsymmetricFocalLoss", "Cross-entropy of two classes; easy background counts less.",
                            FOCAL_FORMULA, "no voxel is scored"), MM_PARAMS(focal_params)},
     .stats = focal_stats, .check = needs_two, .peer = focal_loss, .witness = 0.13429728373349026},
    {.info = {MM_MONAI_LOSS("AsymmetricFocalTverskyLoss", "Tversky losses of two classes; the foreground's is raised to a power.",
                            TVERSKY_FORMULA, "never"), MM_PARAMS(tversky_params)},
     .stats = tversky_stats, .check = needs_two, .peer = tversky_loss, .witness = 0.47855342260152345},
    {.info = {MM_MONAI_LOSS("AsymmetricUnifiedFocalLoss", "The asymmetric focal and focal Tversky losses, mixed.",
                            "weight AsymmetricFocalLoss + (1-weight) AsymmetricFocalTverskyLoss", "no voxel is scored"),
              MM_PARAMS(unified_params)},
     .stats = unified_stats, .check = unified_check, .peer = unified_loss, .note = unified_note, .witness = 0.26653024599021541},
};
/* clang-format on */

const mm_score_family mm_peers_monai_unified = {rows, MM_COUNT(rows)};
