/*
 * Builds a filter with libseccomp from lines on standard input and writes its
 * BPF to standard output: the reference of TestAgreesWithLibseccomp.
 *
 *   default ACTION
 *   arch TOKEN
 *   rule ACTION NAME COUNT (INDEX OPERATOR A B)*
 *
 * Numbers are decimal, an operator is one of enum scmp_compare.
 */
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

static int add_rule(scmp_filter_ctx ctx)
{
	struct scmp_arg_cmp args[6];
	unsigned action, count, index, op;
	unsigned long long a, b;
	char name[64];

	if (scanf("%u %63s %u", &action, name, &count) != 3 || count > 6)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		if (scanf("%u %u %llu %llu", &index, &op, &a, &b) != 4)
			return -1;
		args[i] = (struct scmp_arg_cmp){ index, (enum scmp_compare)op, a, b };
	}
	int nr = seccomp_syscall_resolve_name(name);
	if (nr == __NR_SCMP_ERROR)
		return 0; /* as runc: not known, not an error */
	return seccomp_rule_add_array(ctx, action, nr, count, args);
}

int main(void)
{
	scmp_filter_ctx ctx = NULL;
	char word[16];
	unsigned value;
	int rc = 0;

	while (rc == 0 && scanf("%15s", word) == 1) {
		if (strcmp(word, "default") == 0)
			rc = scanf("%u", &value) == 1 && (ctx = seccomp_init(value)) ? 0 : -1;
		else if (strcmp(word, "arch") == 0)
			rc = scanf("%u", &value) == 1 ? seccomp_arch_add(ctx, value) : -1;
		else
			rc = add_rule(ctx);
		if (rc == -17) /* EEXIST: the native architecture */
			rc = 0;
	}
	if (rc == 0)
		rc = seccomp_export_bpf(ctx, 1);
	if (rc != 0)
		fprintf(stderr, "after %s: %s\n", word, strerror(-rc));
	return rc != 0;
}
