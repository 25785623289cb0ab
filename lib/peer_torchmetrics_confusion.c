/*
 * peer_torchmetrics_confusion.c - torchmetrics' counts and what is made of them: confusion matrices, Jaccard index,
 * kappa, correlation, exact match.  Of all images together, but where multidim_average=samplewise.
 */
#include <math.h>

#include "lib/confusion.h"
#include "lib/peer_torchmetrics.h"

/* -------------------------------------------------------------------- counts */

enum { STAT_AVERAGE = MM_TM_MULTICLASS_OWN, STAT_MULTIDIM }; /* multiclass_stat_scores */
enum { MATCH_MULTIDIM = MM_TM_MULTICLASS_OWN };              /* multiclass_exact_match */
enum { GLOBAL, SAMPLEWISE };

#define STATS 5

/* tp, fp, tn, fn, support, each times w / below */
static void add_stats(mm_value *list, const mm_counts *x, double w, double below)
{
    const double stats[STATS] = {x->tp, x->fp, x->tn, x->fn, x->tp + x->fn};

    for (size_t i = 0; i < STATS; i++) {
        const mm_value share = mm_ratio(w * stats[i], below, MM_ZERO_DENOMINATOR);

        list[i] = share.reason == MM_DEFINED ? mm_defined(list[i].value + share.value) : share;
    }
}

/* Added up, averaged, or averaged with the label's voxels as weights: undefined without any. */
static void average_stats(const mm_group *x, size_t classes, int average, mm_value *list)
{
    double label = 0.0;

    for (size_t c = 0; c < classes; c++)
        label += (double)x[c].label;
    for (size_t c = 0; c < classes; c++) {
        const mm_counts counts = mm_counts_of(&x[c]);
        const double below = average == MM_TM_MICRO ? 1.0 : average == MM_TM_MACRO ? (double)classes : label;

        add_stats(list, &counts, average == MM_TM_WEIGHTED ? (double)x[c].label : 1.0, below);
    }
}

static void multiclass_stat_scores(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const int average = args->own[STAT_AVERAGE].word, by_image = args->own[STAT_MULTIDIM].word == SAMPLEWISE;
    const size_t classes = args->classes;

    for (size_t n = 0; n < (by_image ? cells->images->count : 1); n++) {
        const mm_group *x = mm_cells_of(cells, by_image ? n : MM_ALL_IMAGES);

        for (size_t c = 0; average == MM_TM_NONE && c < classes; c++) {
            const mm_counts counts = mm_counts_of(&x[c]);

            add_stats(list + (n * classes + c) * STATS, &counts, 1.0, 1.0);
        }
        if (average != MM_TM_NONE)
            average_stats(x, classes, average, list + n * STATS);
    }
}

static unsigned stat_scores_shape(const mm_args *args, size_t images, size_t dim[3])
{
    unsigned rank = 0;

    if (args->own[STAT_MULTIDIM].word == SAMPLEWISE)
        dim[rank++] = images;
    if (args->own[STAT_AVERAGE].word == MM_TM_NONE)
        dim[rank++] = args->classes;
    dim[rank++] = STATS;
    return rank;
}

/* Of each image 1 when every voxel is right (and when it has none), else 0; their mean, or all. */
static void multiclass_exact_match(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const int by_image = args->own[MATCH_MULTIDIM].word == SAMPLEWISE;
    mm_mean mean = {.count = 0};

    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_counts all = mm_counts_of_image(cells, n);
        const mm_value right = mm_defined(all.fn == 0.0 ? 1.0 : 0.0);

        mm_mean_add(&mean, right, 1.0);
        if (by_image)
            list[n] = right;
    }
    if (!by_image)
        *list = mm_mean_value(&mean);
}

static unsigned exact_match_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return args->own[MATCH_MULTIDIM].word == SAMPLEWISE ? mm_shape_images(args, images, dim) : 0;
}

/* ------------------------------------------------------------- Jaccard index */

/* Parameters from mm_tm_own() on: average, but not of the binary function, and zero_division. */
static const mm_arg *zero_of(const mm_args *args, mm_tm_task task)
{
    return &args->own[mm_tm_own(task) + (task != MM_TM_BINARY)];
}

static double jaccard_of(double above, double below, const mm_args *args, mm_tm_task task)
{
    return below == 0.0 ? zero_of(args, task)->number : above / below;
}

/* Is class c the one that ignore_index names?  Means and the union of all leave it out. */
static int ignored(const mm_args *args, size_t c)
{
    const mm_arg *ignore = &args->own[MM_TM_IGNORE_INDEX];

    return !mm_is_word(ignore) && ignore->number == (double)c;
}

/* 0 for what a mean leaves out: the ignored class, and exclusive classes in neither label nor prediction. */
static double jaccard_weight(const mm_args *args, mm_tm_task task, size_t c, const mm_counts *x, int average)
{
    if (average == MM_TM_WEIGHTED)
        return x->tp + x->fn;
    return ignored(args, c) || (task == MM_TM_MULTICLASS && x->tp + x->fp + x->fn == 0.0) ? 0.0 : 1.0;
}

/* Of each class into the list, or their mean, or of all together; undefined without any weight. */
static void jaccard_index(const mm_cells *cells, const mm_args *args, mm_value *list, mm_tm_task task)
{
    const int average = args->own[mm_tm_own(task)].word;
    double above = 0.0, below = 0.0;
    mm_mean mean = {.count = 0};

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);
        const mm_counts counts = mm_tm_counts(&x, task);
        const double united = counts.tp + counts.fp + counts.fn;
        const mm_value jaccard = mm_defined(jaccard_of(counts.tp, united, args, task));

        mm_mean_add(&mean, jaccard, jaccard_weight(args, task, c, &counts, average));
        above += counts.tp;
        below += ignored(args, c) ? 0.0 : united;
        if (average == MM_TM_NONE)
            list[c] = jaccard;
    }
    if (average == MM_TM_MICRO)
        *list = mm_defined(jaccard_of(above, below, args, task));
    else if (average != MM_TM_NONE)
        *list = mm_mean_value(&mean);
}

static void binary_jaccard_index(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_counts all = mm_tm_total(mm_cells_of(cells, MM_ALL_IMAGES), args->classes, MM_TM_BINARY);

    *list = mm_defined(jaccard_of(all.tp, all.tp + all.fp + all.fn, args, MM_TM_BINARY));
}

static void multiclass_jaccard_index(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    jaccard_index(cells, args, list, MM_TM_MULTICLASS);
}

static void multilabel_jaccard_index(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    jaccard_index(cells, args, list, MM_TM_MULTILABEL);
}

static unsigned multiclass_jaccard_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return args->own[MM_TM_MULTICLASS_OWN].word == MM_TM_NONE ? mm_shape_classes(args, images, dim) : 0;
}

static unsigned multilabel_jaccard_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return args->own[MM_TM_MULTILABEL_OWN].word == MM_TM_NONE ? mm_shape_classes(args, images, dim) : 0;
}

/* -------------------------------------------------------- confusion matrices */

/* Every cell, as the parameter `normalize` says, whose choices are those of mm_share_of. */
static void list_table(const mm_table *table, const mm_arg *normalize, mm_value *list)
{
    for (size_t i = 0; i < table->count; i++)
        for (size_t j = 0; j < table->count; j++)
            *list++ = mm_defined(mm_table_share(table, i, j, (mm_share_of)normalize->word));
}

/* The table of all images and classes. */
static void read_table(mm_table *table, const mm_cells *cells, size_t classes)
{
    const mm_group *x = mm_cells_of(cells, MM_ALL_IMAGES);

    *table = (mm_table){.count = 0};
    for (size_t c = 0; c < classes; c++)
        mm_table_add_class(table, &x[c]);
    mm_table_close(table);
}

static void list_counts(const mm_counts *x, const mm_arg *normalize, mm_value *list)
{
    mm_table table = {.count = 0};

    mm_table_add_counts(&table, x->tp, x->fp, x->fn, x->tn);
    mm_table_close(&table);
    list_table(&table, normalize, list);
}

static void multiclass_confusion_matrix(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    mm_table table;

    read_table(&table, cells, args->classes);
    list_table(&table, &args->own[MM_TM_MULTICLASS_OWN], list);
}

static void binary_confusion_matrix(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_counts all = mm_tm_total(mm_cells_of(cells, MM_ALL_IMAGES), args->classes, MM_TM_BINARY);

    list_counts(&all, &args->own[MM_TM_BINARY_OWN], list);
}

static void multilabel_confusion_matrix(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);
        const mm_counts counts = mm_tm_counts(&x, MM_TM_MULTILABEL);

        list_counts(&counts, &args->own[MM_TM_MULTILABEL_OWN], list + 4 * c);
    }
}

static unsigned multiclass_matrix_shape(const mm_args *args, size_t images, size_t dim[3])
{
    (void)images;
    dim[0] = dim[1] = args->classes;
    return 2;
}

static unsigned binary_matrix_shape(const mm_args *args, size_t images, size_t dim[3])
{
    (void)args;
    (void)images;
    dim[0] = dim[1] = 2;
    return 2;
}

static unsigned multilabel_matrix_shape(const mm_args *args, size_t images, size_t dim[3])
{
    (void)images;
    dim[0] = args->classes;
    dim[1] = dim[2] = 2;
    return 3;
}

/* ----------------------------------------------------------------- agreement */

static void multiclass_cohen_kappa(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    mm_table table;

    read_table(&table, cells, args->classes);
    *list = mm_table_kappa(&table, (mm_cost)args->own[MM_TM_MULTICLASS_OWN].word);
}

#define EPSILON 1.1920928955078125e-7 /* 2^-23, of float */

/* Two classes, label or prediction of one only: EPSILON keeps the factor that is 0 away from it. */
static double degenerate(const mm_table *t)
{
    const double tn = mm_table_cell(t, 0, 0), fp = mm_table_cell(t, 0, 1);
    const double fn = mm_table_cell(t, 1, 0), tp = mm_table_cell(t, 1, 1);
    const double above = fn + tn == 0.0 ? tp - fp : fp + tn == 0.0 ? tp - fn : tp + fn == 0.0 ? tn - fp : tn - fn;
    const double below = (tp + fp + EPSILON) * (tp + fn + EPSILON) * (tn + fp + EPSILON) * (tn + fn + EPSILON);

    return sqrt(EPSILON) * above / sqrt(below);
}

static void multiclass_matthews_corrcoef(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    double right = 0.0;
    mm_table table;

    read_table(&table, cells, args->classes);
    for (size_t k = 0; k < table.count; k++)
        right += mm_table_cell(&table, k, k);
    *list = mm_table_mcc(&table);
    if (table.count == 2 && table.total > 0.0 && (right == 0.0 || right == table.total))
        *list = mm_defined(right > 0.0 ? 1.0 : -1.0);
    else if (list->reason != MM_DEFINED)
        *list = mm_defined(table.count == 2 ? degenerate(&table) : 0.0);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define MULTIDIM  {"multidim_average", MM_WORD, "global", 0, 0, "global|samplewise", \
                   "all images together, or each by itself"}
#define ZERO      {"zero_division", MM_NUMBER, "0", 0, 1, NULL, "what 0/0 is"}
#define NORMALIZE {"normalize", MM_WORD, "none", 0, 0, "none|true|pred|all", \
                   "counts, or shares of each label, of each prediction, or of all voxels; 0 where there are none"}

static const mm_param stat_params[] = {MM_TM_MULTICLASS_PARAMS,
    [STAT_AVERAGE] = MM_TM_AVERAGE_PARAM, [STAT_MULTIDIM] = MULTIDIM};
static const mm_param match_params[] = {MM_TM_MULTICLASS_PARAMS, [MATCH_MULTIDIM] = MULTIDIM};
static const mm_param binary_jaccard_params[] = {MM_TM_BINARY_PARAMS, [MM_TM_BINARY_OWN] = ZERO};
static const mm_param multiclass_jaccard_params[] = {MM_TM_MULTICLASS_PARAMS,
                                                     [MM_TM_MULTICLASS_OWN] = MM_TM_AVERAGE_PARAM, ZERO};
static const mm_param multilabel_jaccard_params[] = {MM_TM_MULTILABEL_PARAMS,
                                                     [MM_TM_MULTILABEL_OWN] = MM_TM_AVERAGE_PARAM, ZERO};
static const mm_param binary_matrix_params[] = {MM_TM_BINARY_PARAMS, [MM_TM_BINARY_OWN] = NORMALIZE};
static const mm_param multiclass_matrix_params[] = {MM_TM_MULTICLASS_PARAMS, [MM_TM_MULTICLASS_OWN] = NORMALIZE};
static const mm_param multilabel_matrix_params[] = {MM_TM_MULTILABEL_PARAMS, [MM_TM_MULTILABEL_OWN] = NORMALIZE};
static const mm_param kappa_params[] = {MM_TM_MULTICLASS_PARAMS,
    [MM_TM_MULTICLASS_OWN] = {"weights", MM_WORD, "none", 0, 0, "none|linear|quadratic",
        "what it costs to be wrong: 1, the distance between the indices of the classes, or its square"}};
static const mm_param correlation_params[] = {MM_TM_MULTICLASS_PARAMS};

#define JACCARD   "TP / (TP + FP + FN)"
#define NO_WEIGHT "average=macro or weighted: there is no class to average, or no label voxel"
#define CELLS     "row: label, column: prediction"

static const mm_score rows[] = {
    {.info = {MM_TM_INFO("multiclass_stat_scores", "Voxels counted as tp, fp, tn, fn, and the label's.",
                         "[TP, FP, TN, FN, TP + FN]", "average=weighted: no voxel is scored", MM_COUNT_KIND,
                         MM_NEITHER),
              MM_TM_PARAMS(stat_params)},
     .check = mm_tm_check_num, .peer = multiclass_stat_scores, .shape = stat_scores_shape, .exclusive = 1,
     .witness = 0},
    {.info = {MM_TM_INFO("multiclass_exact_match", "Share of the images that are right in every voxel.",
                         "images with FN = 0 / images", "never", MM_METRIC, MM_HIGHER), MM_TM_PARAMS(match_params)},
     .check = mm_tm_check_num, .peer = multiclass_exact_match, .shape = exact_match_shape, .exclusive = 1,
     .witness = 0},
    {.info = {MM_TM_INFO("binary_jaccard_index", "Intersection over union, all voxels of independent masks together.",
                         JACCARD, "never: 0/0 has a value", MM_METRIC, MM_HIGHER), MM_TM_PARAMS(binary_jaccard_params)},
     .stats = mm_tm_binary_stats, .peer = binary_jaccard_index, .witness = 0.5},
    {.info = {MM_TM_INFO("multiclass_jaccard_index", "Intersection over union, exclusive classes.", JACCARD, NO_WEIGHT,
                         MM_METRIC, MM_HIGHER), MM_TM_PARAMS(multiclass_jaccard_params)},
     .check = mm_tm_check_num, .peer = multiclass_jaccard_index, .shape = multiclass_jaccard_shape, .exclusive = 1,
     .witness = 7.0 / 12.0},
    {.info = {MM_TM_INFO("multilabel_jaccard_index", "Intersection over union, each of independent masks.", JACCARD,
                         NO_WEIGHT, MM_METRIC, MM_HIGHER), MM_TM_PARAMS(multilabel_jaccard_params)},
     .stats = mm_tm_multilabel_stats, .check = mm_tm_check_num, .peer = multilabel_jaccard_index,
     .shape = multilabel_jaccard_shape, .witness = 0.5},
    {.info = {MM_TM_INFO("binary_confusion_matrix",
                         "Voxels by label and prediction, all voxels of independent masks together.",
                         "[[TN, FP], [FN, TP]]", "never", MM_COUNT_KIND, MM_NEITHER),
              MM_TM_PARAMS(binary_matrix_params)},
     .stats = mm_tm_binary_stats, .peer = binary_confusion_matrix, .shape = binary_matrix_shape, .witness = 0},
    {.info = {MM_TM_INFO("multiclass_confusion_matrix", "Voxels by label and prediction, exclusive classes.",
                         "C x C; " CELLS, "never", MM_COUNT_KIND, MM_NEITHER), MM_TM_PARAMS(multiclass_matrix_params)},
     .check = mm_tm_check_num, .peer = multiclass_confusion_matrix, .shape = multiclass_matrix_shape, .table = 1,
     .exclusive = 1, .witness = 0},
    {.info = {MM_TM_INFO("multilabel_confusion_matrix", "Voxels by label and prediction, each of independent masks.",
                         "C x 2 x 2; " CELLS, "never", MM_COUNT_KIND, MM_NEITHER),
              MM_TM_PARAMS(multilabel_matrix_params)},
     .stats = mm_tm_multilabel_stats, .check = mm_tm_check_num, .peer = multilabel_confusion_matrix,
     .shape = multilabel_matrix_shape, .witness = 0},
    {.info = {MM_TM_INFO("multiclass_cohen_kappa", "Agreement of label and prediction beyond chance.",
                         "1 - sum w M / sum w E, E = row sum x column sum / total; w = 1[i != j], |i-j| or (i-j)^2",
                         "label and prediction are all of one class", MM_METRIC, MM_HIGHER),
              MM_TM_PARAMS(kappa_params)},
     .check = mm_tm_check_num, .peer = multiclass_cohen_kappa, .table = 1, .exclusive = 1, .witness = 0.5},
    {.info = {MM_TM_INFO("multiclass_matthews_corrcoef", "Correlation of label and prediction over all classes.",
                         "(c S - sum_k t_k p_k) / sqrt((S^2 - sum_k p_k^2) (S^2 - sum_k t_k^2)); "
                         "a zero denominator gives 0, but with two classes each of (TP+FP), (TP+FN), (TN+FP), (TN+FN) "
                         "is 2^-23 greater there",
                         "never", MM_METRIC, MM_HIGHER), MM_TM_PARAMS(correlation_params)},
     .check = mm_tm_check_num, .peer = multiclass_matthews_corrcoef, .table = 1, .exclusive = 1,
     .witness = 0.57735026918962576 /* 2 / sqrt 12 */},
};
/* clang-format on */

const mm_score_family mm_peers_torchmetrics_confusion = {rows, MM_COUNT(rows)};
