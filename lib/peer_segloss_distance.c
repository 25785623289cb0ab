/*
 * peer_segloss_distance.c - losses of SegLossOdyssey that weigh voxels by their distance from a border.
 */
#include "lib/image_kinds.h"
#include "lib/peer_segloss.h"

/* Sum of value 1 of a column over the images and the classes from `first` on, and of the voxels scored. */
typedef struct totals {
    double sum, voxels;
} totals;

static totals add_up(const mm_cells *cells, size_t column, size_t first)
{
    totals all = {0.0, 0.0};

    for (size_t n = 0; n < cells->images->count; n++)
        for (size_t c = first; c < cells->images->classes; c++) {
            const mm_group x = mm_cell(cells, n, c);

            all.sum += mm_wide(&x, column, 1);
            all.voxels += (double)x.scored;
        }
    return all;
}

/* ---------------------------------------------------------------- Hausdorff */

enum { ALPHA };

static size_t hausdorff_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_IMAGE_HAUSDORFF_DT_JOINT, .form = MM_FORM_SENT, .more = {args->own[ALPHA].number}};
    return 1;
}

static void hausdorff_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const totals all = add_up(cells, 0, 0);

    (void)args;
    *list = mm_ratio(all.sum, all.voxels, MM_NO_VOXELS);
}

/* ----------------------------------------------------------------- boundary */

static mm_stat boundary_stat(void)
{
    return (mm_stat){.kind = MM_IMAGE_BOUNDARY, .form = MM_FORM_SOFTMAX};
}

static size_t boundary_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = boundary_stat();
    return 1;
}

/* Mean of p phi over the images, the voxels and the classes but 0. */
static mm_value boundary_of(const mm_cells *cells, size_t column)
{
    const totals all = add_up(cells, column, 1);

    return mm_ratio(all.sum, all.voxels, MM_NO_VOXELS);
}

static void boundary_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    *list = boundary_of(cells, 0);
}

static size_t dice_boundary_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const size_t count = mm_segloss_dice_stats(args, MM_FORM_SOFTMAX, stats);

    stats[count] = boundary_stat();
    return count + 1;
}

static void dice_and_boundary(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = mm_mix(1.0, mm_segloss_dice(cells, args), 1.0, boundary_of(cells, cells->need_count - 1));
}

static const char *check_foreground(const mm_args *args)
{
    return args->classes > 1 ? NULL : "needs a class besides class 0";
}

/* --------------------------------------------------------------- penalties */

static const char *check_two(const mm_args *args)
{
    return args->classes == 2 ? NULL : "needs two classes";
}

static size_t penalized_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = (mm_stat){.kind = MM_IMAGE_NEAR_ENTROPY, .form = MM_FORM_SOFTMAX, .eps = 1e-7};
    return 1;
}

static void penalized_entropy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const totals all = add_up(cells, 0, 0);

    *list = mm_ratio(all.sum * (double)args->classes, all.voxels, MM_NO_VOXELS); /* voxels count once per class */
}

static const char *penalized_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    (void)cells;
    (void)args;
    (void)list;
    return "with the weights of the distances; the peer computes them and returns the plain mean of the cross-entropy";
}

enum { NEAR, SUM_P, SUM_G }; /* columns */
enum { SMOOTH };

static size_t near_dice_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[NEAR] = (mm_stat){.kind = MM_IMAGE_NEAR_OVERLAP, .form = MM_FORM_SOFTMAX};
    stats[SUM_P] = (mm_stat){.kind = MM_SUM_P, .form = MM_FORM_SOFTMAX};
    stats[SUM_G] = (mm_stat){.kind = MM_SUM_G, .form = MM_FORM_SOFTMAX};
    return 3;
}

/* Undefined where all voxels of class 0 or 1 are as far from the border: the peer's weights are 0/0 there. */
static mm_value near_dice_of(const mm_cells *cells, size_t n, double s)
{
    const mm_group rest = mm_cell(cells, n, 0), x = mm_cell(cells, n, 1);

    if (x.label == 0)
        return mm_undefined(MM_EMPTY_LABEL);
    if (mm_wide(&rest, NEAR, 2) == 0.0 || mm_wide(&x, NEAR, 2) == 0.0)
        return mm_undefined(MM_ZERO_DENOMINATOR);
    return mm_ratio(-(2.0 * mm_wide(&x, NEAR, 1) + s), x.sum[SUM_P] + x.sum[SUM_G] + s, MM_ZERO_DENOMINATOR);
}

/* Mean over images of -(2 sum p g (1 + f) + s) / (P + G + s) of class 1. */
static void near_dice(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    mm_mean mean = {.count = 0};

    for (size_t n = 0; n < cells->images->count; n++)
        mm_mean_add(&mean, near_dice_of(cells, n, args->own[SMOOTH].number), 1.0);
    *list = mm_mean_complete(&mean);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
static const mm_param hausdorff_params[] = {
    [ALPHA]  = {"alpha", MM_NUMBER, "2", 0.001, 10, NULL, "power of the distances"}};
static const mm_param dice_params[] = {MM_SEGLOSS_DICE_PARAMS};
static const mm_param near_params[] = {
    [SMOOTH] = {"smooth", MM_NUMBER, "1e-5", 0, 1e6, NULL, "added to numerator and denominator"}};

#define SIGNED "phi = distance to the label outside, 1 - distance to the outside inside, 0 where a class has no border"
#define NEARNESS "f = (max d - d) / (max d - min d), d = distance to the outside of the label's mask"

static const mm_score rows[] = {
    {.info = {MM_SEGLOSS_LOSS("HausdorffDTLoss", "Squared errors, weighted by the distance from the border; all channels are one array.",
                              "mean of (p-g)^2 (F(p)^alpha + F(g)^alpha), F = distance to the other side of the mask > 1/2 of an "
                              "image's channels and voxels; an empty mask: 0, a full one: to the place before its first voxel",
                              "no voxel is scored"), MM_PARAMS(hausdorff_params)},
     .stats = hausdorff_stats, .peer = hausdorff_loss, .witness = 0.4375},
    {.info = {MM_SEGLOSS_LOSS("BDLoss", "Predictions, weighted by the signed distance from the label.",
                              "mean over images, classes but 0 and voxels of p phi, " SIGNED, "no voxel is scored")},
     .stats = boundary_stats, .check = check_foreground, .exclusive = 1, .peer = boundary_loss, .witness = 0.076706066027496328},
    {.info = {MM_SEGLOSS_LOSS("DC_and_BD_loss", "segloss.SoftDiceLoss plus segloss.BDLoss.",
                              "segloss.SoftDiceLoss + segloss.BDLoss", "no voxel is scored; a denominator is 0, which takes smooth=0"),
              MM_PARAMS(dice_params)},
     .stats = dice_boundary_stats, .check = check_foreground, .exclusive = 1, .peer = dice_and_boundary, .witness = -0.61571736542450561},
    {.info = {MM_SEGLOSS_LOSS("DistBinaryDiceLoss", "Minus the soft Dice of class 1, voxels at the border counted double.",
                              "-mean_n (2 sum p g (1 + f) + s) / (P + G + s), " NEARNESS,
                              "in an image all voxels of a class are as far from the border, or there are none"), MM_PARAMS(near_params)},
     .stats = near_dice_stats, .check = check_two, .exclusive = 1, .peer = near_dice, .witness = -0.86552962549093881},
    {.info = {MM_SEGLOSS_LOSS("DisPenalizedCE", "Cross-entropy, voxels at the border counted double.",
                              "mean of (1 + f) CE, " NEARNESS, "no voxel is scored")},
     .stats = penalized_stats, .check = check_two, .exclusive = 1, .peer = penalized_entropy, .note = penalized_note, .witness = 0.84977802431905669},
};
/* clang-format on */

const mm_score_family mm_peers_segloss_distance = {rows, MM_COUNT(rows)};
