/*
 * test_accounts.c - identities are kept apart in a bounded table, and their rates are kept.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <string.h>

#include "server/accounts.h"

#define MIB 1048576.0

static mm_accounts *new_accounts(void)
{
    mm_accounts *accounts = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_accounts_new(&accounts), MM_OK);
    return accounts;
}

/* The same name is the same account, others are others, and a name too long for its place is found again too. */
static void test_identity(void)
{
    mm_accounts *a = new_accounts();
    char name[100];
    mm_account *first = mm_accounts_open(a, "10.0.0.1", 1), *second = mm_accounts_open(a, "10.0.0.2", 1);

    CU_ASSERT_PTR_NOT_EQUAL(first, second);
    CU_ASSERT_PTR_EQUAL(mm_accounts_open(a, "10.0.0.1", 99999), first);
    CU_ASSERT_EQUAL(first->claims, 2);
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CU_ASSERT_PTR_EQUAL(mm_accounts_open(a, name, 1), mm_accounts_open(a, name, 2));
    mm_accounts_free(a);
    mm_accounts_free(NULL);
}

/* Ten thousand identities: those with open requests keep their place, the rest of the table is used again, and whoever
 * finds none shares one. */
static void test_bounded(void)
{
    mm_accounts *a = new_accounts();
    mm_account *kept = mm_accounts_open(a, "kept", 1), *shared = NULL;
    size_t sharing = 0;
    char name[32];

    for (int i = 0; i < 10000; i++) {
        (void)snprintf(name, sizeof name, "10.1.%d.%d", i / 256, i % 256);
        mm_accounts_close(mm_accounts_open(a, name, 1));
    }
    CU_ASSERT_PTR_EQUAL(mm_accounts_open(a, "kept", 1), kept);
    CU_ASSERT_EQUAL(kept->claims, 2);
    for (int i = 0; i < 10000; i++) {
        mm_account *account;

        (void)snprintf(name, sizeof name, "10.2.%d.%d", i / 256, i % 256);
        account = mm_accounts_open(a, name, 1);
        if (strcmp(account->name, name) != 0) {
            CU_ASSERT_TRUE(shared == NULL || shared == account);
            shared = account;
            sharing++;
        }
    }
    CU_ASSERT_TRUE(sharing > 9000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(shared);
    CU_ASSERT_EQUAL(shared->claims, sharing);
    mm_accounts_free(a);
}

/* Active is who holds something, or was refused a short while ago. */
static void test_active(void)
{
    mm_accounts *a = new_accounts();
    mm_account *one = mm_accounts_open(a, "one", 1), *two = mm_accounts_open(a, "two", 1);

    CU_ASSERT_EQUAL(mm_accounts_active(a, 100), 0);
    one->large = 5;
    two->small = 5;
    CU_ASSERT_EQUAL(mm_accounts_active(a, 100), 1);
    two->asked = 100;
    CU_ASSERT_EQUAL(mm_accounts_active(a, 99 + MM_ASKING), 2);
    CU_ASSERT_EQUAL(mm_accounts_active(a, 100 + MM_ASKING), 1);
    mm_accounts_free(a);
}

/* How many uploads of so many bytes go through from `from` to `to` when one is tried every millisecond. */
static size_t passed(mm_account *account, const mm_rates *rates, uint64_t bytes, int64_t from, int64_t to)
{
    size_t count = 0;

    for (int64_t now = from; now < to; now++)
        if (mm_account_wait(account, rates, now) <= 0.0) {
            mm_account_count(account, rates, bytes, now);
            count++;
        }
    return count;
}

/* Two seconds' worth at once, then the rate; after a rest the same again. */
static void test_rates(void)
{
    static const mm_rates none = {0.0, 0.0}, ten = {10.0, 0.0}, bytes = {0.0, MIB};
    mm_accounts *a = new_accounts();
    mm_account *account = mm_accounts_open(a, "ten", 1);
    size_t count;

    CU_ASSERT_EQUAL(passed(account, &none, 1 << 20, 1000, 2000), 1000);
    count = passed(account, &ten, 1 << 20, 5000, 15000);
    CU_ASSERT_TRUE(count >= 118 && count <= 121);
    CU_ASSERT_TRUE(mm_account_wait(account, &ten, 15000) <= 0.11);
    count = passed(account, &ten, 1 << 20, 100000, 100001) + passed(account, &ten, 1, 100001, 100101);
    CU_ASSERT_TRUE(count >= 20 && count <= 22);
    account = mm_accounts_open(a, "bytes", 1);
    count = passed(account, &bytes, 1 << 18, 5000, 15000);
    CU_ASSERT_TRUE(count >= 46 && count <= 49);
    mm_accounts_free(a);
}

/* An upload that is larger than a burst goes, and is paid off before the next.  Its debt outlives its connection. */
static void test_debt(void)
{
    static const mm_rates rates = {0.0, MIB};
    mm_accounts *a = new_accounts();
    mm_account *account = mm_accounts_open(a, "one", 1);
    char name[32];

    CU_ASSERT_EQUAL(passed(account, &rates, 100 << 20, 5000, 5001), 1);
    CU_ASSERT_DOUBLE_EQUAL(mm_account_wait(account, &rates, 5000), 98.0, 0.1);
    mm_accounts_close(account);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof name, "%d", i);
        mm_accounts_close(mm_accounts_open(a, name, 6000));
    }
    account = mm_accounts_open(a, "one", 6000);
    CU_ASSERT_EQUAL(passed(account, &rates, 1, 6000, 102000), 0);
    CU_ASSERT_TRUE(passed(account, &rates, 1, 102000, 104000) > 0);
    mm_accounts_free(a);
}

static CU_TestInfo tests[] = {
    {"names", test_identity},
    {"a bounded table", test_bounded},
    {"who is active", test_active},
    {"rates", test_rates},
    {"an upload larger than a burst", test_debt},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_accounts = {"accounts", tests};
