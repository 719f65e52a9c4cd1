/* planish: one command, a subcommand a job. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "manual.h"
#include "plain.h"
#include "planish/planish.h"

static const struct command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "commands.inc"
#undef COMMAND
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static int print_help(void)
{
    printf("Usage: planish COMMAND [options]\n\nMakes trained networks (ONNX) run fast. Commands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++) printf("  %-10s %s\n", commands[i]->name, commands[i]->about);
    printf("\nplanish COMMAND --help tells more; planish --version, --man [COMMAND], --completions bash|zsh|fish.\n");
    return 0;
}

/* NULL after saying what was meant instead. */
static const struct command *find_command(const char *word)
{
    static const char *const options[] = { "help", "version", "man", "completions" };
    static const char *const later[] = { "quantize", "generate", "embed", "tokenize", "perplexity", "serve" }; /* decided, not there yet */
    const char *names[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i]->name;
        if (strcmp(names[i], word) == 0) return commands[i];
    }
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        if (strcmp(later[i], word) != 0) continue;
        fprintf(stderr, "planish: '%s' comes with a later version; planish --help lists what this one does\n", word);
        return NULL;
    }
    if (access(word, F_OK) == 0 && strchr(word, '.')) { /* a model where the command should be */
        fprintf(stderr, "planish: a command comes first: planish run %s --random 1; planish --help lists them\n", word);
        return NULL;
    }
    const bool option = word[0] == '-';
    const char *near = option ? nearest_name(word + strspn(word, "-"), options, sizeof options / sizeof options[0]) : nearest_name(word, names, N_COMMANDS);
    if (near) fprintf(stderr, "planish: there is no %s '%s'; did you mean '%s%s'?\n", option ? "option" : "command", word, option ? "--" : "", near);
    else if (option) fprintf(stderr, "planish: the command comes first, its options behind it: planish COMMAND %s; planish --help lists the commands\n", word);
    else fprintf(stderr, "planish: there is no command '%s'; planish --help lists them\n", word);
    return NULL;
}

static int help_of(const char *word)
{
    const struct command *command = find_command(word);
    char own[64], help[] = "--help";
    if (!command) return 2;
    snprintf(own, sizeof own, "%s", command->name);
    char *words[] = { own, help, NULL };
    return command->run(2, words);
}

/* A file that is opened must not come to stand where stdin, stdout or stderr was closed: what is printed would land in it. */
static void hold_standard_files(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0) return; /* of the wrong kind, so that using it fails as before */
}

static int work(int argc, char **argv)
{
    const char *own = argc > 0 ? strrchr(argv[0], '/') : NULL;
    if (argc > 0 && strcmp(own ? own + 1 : argv[0], "trtexec") == 0) return command_trtexec.run(argc, argv);
    if (argc < 2) {
        print_help();
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) return argc > 2 ? help_of(argv[2]) : print_help();
    if (strcmp(argv[1], "--version") == 0) {
        printf("planish %s\n", pln_version());
        return 0;
    }
    if (strcmp(argv[1], "--man") == 0 && argc > 2 && !find_command(argv[2])) return 2;
    if (strcmp(argv[1], "--man") == 0 || strcmp(argv[1], "--completions") == 0) plain_leave_stdout();
    if (strcmp(argv[1], "--man") == 0) return manual_print_man(commands, N_COMMANDS, argc > 2 ? argv[2] : NULL);
    if (strcmp(argv[1], "--completions") == 0) return manual_print_completions(commands, N_COMMANDS, argc > 2 ? argv[2] : NULL);
    const struct command *command = find_command(argv[1]);
    return command ? command->run(argc - 1, argv + 1) : 2;
}

int main(int argc, char **argv)
{
    static const struct command none = { .name = "" };
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is an error of the write, which cleans up, not the end of the process */
    hold_standard_files();
    plain_begin();
    const int status = work(argc, argv), error = command_flush();
    return status == 0 && error ? command_fail(&none, 1, "stdout: %s", strerror(error)) : status;
}
