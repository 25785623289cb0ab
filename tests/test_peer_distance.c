/*
 * test_peer_distance.c - the peers' distances between surfaces: their arguments, lists and notes.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <string.h>

#include "tests/border_tools.h"

static void check_list(const data *d, const char *expression, mm_value first, mm_value second, int note)
{
    scored s = score(d, expression, NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first->list);
    CU_ASSERT(s.first->list[0].reason == first.reason && close_to(s.first->list[0].value, first.value));
    CU_ASSERT(s.first->list[1].reason == second.reason && close_to(s.first->list[1].value, second.value));
    CU_ASSERT_EQUAL(s.first->note != NULL && s.first->note[0] != '\0', note);
    scored_free(&s);
}

/* Rows 1 and 2 of the prediction are the surface, rows 1 to 3 (2 but its middle) of the label. */
static void test_peers(void)
{
    const mm_value empty = mm_undefined(MM_EMPTY_LABEL), zero = mm_defined(0.0);
    data d = rows_apart();

    check_list(&d, "monai.compute_hausdorff_distance", mm_defined(1.0), empty, 0);
    check_list(&d, "monai.compute_hausdorff_distance(percentile=0,spacing=[3,1])", mm_defined(3.0), empty, 0);
    check_list(&d, "monai.compute_hausdorff_distance(percentile=100,spacing=[3,1])", mm_defined(3.0), empty, 1);
    check_list(&d, "monai.compute_hausdorff_distance(directed=true)", mm_defined(1.0), empty, 0);
    check_list(&d, "monai.compute_hausdorff_distance(spacing=2.5,distance_metric=taxicab)", mm_defined(1.0), empty, 0);
    check_list(&d, "monai.compute_average_surface_distance(spacing=3)", mm_defined(4.0 / 12.0 * 3.0), empty, 0);
    check_list(&d, "monai.compute_average_surface_distance(symmetric=true)", mm_defined((4.0 + 6.0) / 26.0), empty, 0);
    check_list(&d, "monai.compute_surface_dice(class_thresholds=[1])", mm_defined(1.0), zero, 0);
    check_list(&d, "monai.compute_surface_dice(class_thresholds=[0.5])", mm_defined(16.0 / 26.0), zero, 0);
    check_list(&d, "torchmetrics.hausdorff_distance(spacing=[3,1])", mm_defined(3.0), empty, 1);
    data_free(&d);
}

static void test_refused(void)
{
    static const refusal bad[] = {
        {"monai.compute_hausdorff_distance(spacing=[1,2,3])", "spacing"},
        {"monai.compute_hausdorff_distance(spacing=0)", "spacing"},
        {"monai.compute_hausdorff_distance(percentile=101)", "percentile"},
        {"monai.compute_hausdorff_distance(distance_metric=manhattan)", "taxicab"},
        {"monai.compute_surface_dice", "class_thresholds"},
        {"monai.compute_surface_dice(class_thresholds=[1,1])", "class_thresholds"},
        {"monai.compute_surface_dice(class_thresholds=[-1])", "class_thresholds"},
        {"monai.compute_surface_dice(class_thresholds=[1],use_subvoxels=true,distance_metric=taxicab)",
         "use_subvoxels"},
        {"monai.HausdorffDTLoss(sigmoid=true,softmax=true)", "softmax"},
        {"torchmetrics.hausdorff_distance(distance_metric=taxicab,spacing=2)", "spacing"},
        {"torchmetrics.hausdorff_distance(num_classes=3)", "num_classes"},
    };
    data d = rows_apart();

    check_refusals(&d, bad, sizeof bad / sizeof bad[0]);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"lists and notes", test_peers},
    {"arguments that are refused", test_refused},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_peer_distance;
const mm_suite mm_suite_peer_distance = {"peer_distance", tests};
