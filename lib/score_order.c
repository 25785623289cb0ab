/*
 * score_order.c - losses that need the voxels in order: Lovasz extensions of the Jaccard index, top-k cross-entropy.
 */
#include "lib/scores.h"

#include "lib/image_kinds.h"

/* ------------------------------------------------------------------- Lovasz */

enum { PRESENT }; /* parameter of lovasz_softmax_loss */

static size_t softmax_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = (mm_stat){.kind = MM_IMAGE_LOVASZ};
    return 1;
}

static size_t hinge_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = (mm_stat){.kind = MM_IMAGE_LOVASZ, .form = MM_FORM_SENT, .gamma = 1.0};
    return 1;
}

/* The only value of the only column. */
static mm_value value_of(const mm_group *x)
{
    const mm_reason reason = mm_whole_reason(x, 0);

    return reason == MM_DEFINED ? mm_defined(mm_wide(x, 0, 1)) : mm_undefined(reason);
}

/* sum_k e_k (J_k - J_(k-1)), e = |1[y = c] - p_c| */
static mm_value lovasz_softmax_loss(const mm_group *x, const mm_args *args)
{
    return args->own[PRESENT].number != 0.0 && x->label == 0 ? mm_undefined(MM_ABSENT_IN_LABEL) : value_of(x);
}

/* the same, e = max(1 - x (2 g - 1), 0) */
static mm_value lovasz_hinge_loss(const mm_group *x, const mm_args *args)
{
    (void)args;
    return value_of(x);
}

/* -------------------------------------------------------------------- top-k */

enum { EPS, K }; /* parameters of topk_cross_entropy */

static size_t topk_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_IMAGE_TOPK, .eps = args->own[EPS].number, .more = {args->own[K].number}};
    return 1;
}

/* The mean of the largest k percent, at least one, of -log p_y; independent masks: of the binary cross-entropies. */
static mm_value topk_cross_entropy(const mm_group *x, size_t count, const mm_args *args)
{
    (void)count;
    (void)args;
    return value_of(&x[0]);
}

static const char *topk_check(const mm_args *args)
{
    for (size_t c = 0; c < args->classes; c++)
        if (!mm_class_chosen(&args->common, c, args->classes))
            return "the largest are chosen from the voxels of all classes: leave classes out";
    return NULL;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
static const mm_param softmax_params[] = {
    [PRESENT] = {"present", MM_BOOLEAN, "true", 0, 0, NULL, "leave out classes that the label does not have"}};
static const mm_param topk_params[] = {
    [EPS]     = {"eps", MM_NUMBER, "1e-7", 1e-300, 0.5, NULL,
                 "logarithms are of max(p, eps) and max(1-p, eps); input given as logits needs no clamp"},
    [K]       = {"k", MM_NUMBER, "10", 1e-9, 100, NULL, "how many of the voxels count, in percent"}};
/* clang-format on */

static const mm_score rows[] = {
    {
        .info = {.name = "lovasz_softmax_loss",
                 .summary = "Convex extension of the Jaccard loss over the errors of the probabilities.",
                 .formula = "sum_k e_k (J_k - J_(k-1)), errors e = |1[y = c] - p_c| descending, "
                            "J_k = 1 - (G - tp_k) / (G + fp_k)",
                 .source = "Berman et al. 2018",
                 .undefined = "the class is in neither label nor prediction; with present=true: not in the label",
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = softmax_params,
                 .param_count = MM_COUNT(softmax_params),
                 .common = mm_common_image,
                 .common_count = MM_COUNT(mm_common_image)},
        .stats = softmax_stats,
        .per_class = lovasz_softmax_loss,
        .witness = 1.0 / 3.0, /* errors 1/2 and 1/2: J = 2/3 */
    },
    {
        .info = {.name = "lovasz_hinge_loss",
                 .summary = "Convex extension of the Jaccard loss over the hinge errors of the logits.",
                 .formula = "sum_k e_k (J_k - J_(k-1)), errors e = max(1 - x (2 g - 1), 0) descending, "
                            "J_k = 1 - (G - tp_k) / (G + fp_k)",
                 .source = "Yu and Blaschko 2015, Berman et al. 2018",
                 .undefined = "the class is in neither label nor prediction",
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .common = mm_common_image,
                 .common_count = MM_COUNT(mm_common_image)},
        .stats = hinge_stats,
        .per_class = lovasz_hinge_loss,
        .logits = 1,
        .witness = 19.0 / 24.0, /* errors 3/2, 1, 1/2, 0 of others, others, label, label: J = 1/3, 1/2, 3/4 */
    },
    {
        .info = {.name = "topk_cross_entropy",
                 .summary = "Mean cross-entropy of the voxels where it is largest.",
                 .formula = "mean of the floor(V k / 100), at least 1, largest -sum_c g_c log p_c of the image; "
                            "independent masks: of -(g log p + (1-g) log(1-p)) of all voxels and classes",
                 .source = "Wu et al. 2016",
                 .undefined = "no voxel is scored",
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = topk_params,
                 .param_count = MM_COUNT(topk_params),
                 .common = mm_common_image_joint,
                 .common_count = MM_COUNT(mm_common_image_joint)},
        .stats = topk_stats,
        .check = topk_check,
        .joint = topk_cross_entropy,
        .always = 1,
        .witness = 0.6931471805599453, /* ln 2 */
    },
};

const mm_score_family mm_scores_order = {rows, MM_COUNT(rows)};
