#include "manual.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "planish/builder.h"
#include "planish/planish.h"

static bool takes_value(const struct option_row *row)
{
    return row->kind != OPTION_FLAG && row->kind != OPTION_OPTIONAL;
}

static bool may_repeat(const struct option_row *row)
{
    return row->kind == OPTION_LIST;
}

static bool wants_file(const struct option_row *row)
{
    return row->argument && (strstr(row->argument, "FILE") || strstr(row->argument, "DIR") || strstr(row->argument, "PATH"));
}

/* The words that an option takes, blank-separated, as its help names them: "on|off", "off"; "" where it takes others. Static. */
static const char *words_of(const struct option_row *row)
{
    static char words[2000];
    size_t n = 0;
    words[0] = '\0';
    if (strcmp(row->name, "device") == 0) return "cpu cuda:0 ref";
    if (strcmp(row->argument ? row->argument : "", "PASS") == 0) {
        for (int i = 0; pln_pass_name(i) && n < sizeof words; i++) n += (size_t)snprintf(words + n, sizeof words - n, "%s%s", i ? " " : "", pln_pass_name(i));
        return words;
    }
    for (const char *c = row->argument ? row->argument : ""; *c && n + 1 < sizeof words; c++) {
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '|' && *c != '-') return "";
        words[n++] = *c == '|' ? ' ' : *c;
        words[n] = '\0';
    }
    return words;
}

/* ---- man(7) ---- */

/* Text of a page: a backslash, a hyphen that is one, and a dot or quote that would begin a request. */
static void roff(const char *text)
{
    bool begins = true;
    for (; *text; text++) {
        if (begins && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
        if (*text == '\\') fputs("\\e", stdout);
        else if (*text == '-') fputs("\\-", stdout);
        else fputc(*text, stdout);
        begins = *text == '\n';
    }
}

static void man_begin(const char *title, const char *section, const char *about)
{
    printf(".TH %s 1 \"\" \"Planish %s\" \"User Commands\"\n.SH NAME\n%s \\- ", title, pln_version(), section);
    roff(about);
    fputs("\n", stdout);
}

static void man_option(const struct option_row *row)
{
    if (!row->help) return;
    printf(".TP\n");
    if (row->letter) printf("\\fB\\-%c\\fR, ", row->letter);
    fputs("\\fB\\-\\-", stdout);
    roff(row->name);
    fputs("\\fR", stdout);
    if (row->kind != OPTION_FLAG) {
        fputs(row->kind == OPTION_OPTIONAL ? "[=\\fI" : "=\\fI", stdout);
        roff(row->argument ? row->argument : "VALUE");
        fputs(row->kind == OPTION_OPTIONAL ? "\\fR]" : "\\fR", stdout);
    }
    fputs("\n", stdout);
    roff(row->help);
    fputs("\n", stdout);
}

static void man_exit(void)
{
    printf(".SH EXIT STATUS\n.TP\n0\nDone.\n.TP\n1\nThe job failed; the text on standard error says why and what to do.\n.TP\n2\nBad usage.\n");
}

static void man_environment(void)
{
    printf(".SH ENVIRONMENT\n.TP\n.B PLANISH_DEVICE\nThe device where neither \\fB\\-\\-device\\fR is given nor a \\fB\\-\\-target\\fR that names one.\n.TP\n.B PLANISH_CACHE_DIR\nWhere plans built on the fly and compiled device code are kept; else\n"
           "\\fI$XDG_CACHE_HOME/planish\\fR, else \\fI~/.cache/planish\\fR.\n.TP\n.B PLANISH_CPU_ISA\nCaps the instruction sets that are used: portable, avx2, avx512.\n.TP\n.B NO_COLOR\nNo colours.\n");
}

static void man_page(void *user, const struct command *command, const struct option_row *rows)
{
    (void)user;
    char name[80];
    snprintf(name, sizeof name, "planish\\-%s", command->name);
    char title[80];
    snprintf(title, sizeof title, "PLANISH\\-%s", command->name);
    for (char *c = title; *c; c++) *c = (char)toupper((unsigned char)*c);
    man_begin(title, name, command->about);
    printf(".SH SYNOPSIS\n.B planish %s\n", command->name);
    roff(command->usage);
    fputs("\n.SH DESCRIPTION\n", stdout);
    roff(command->about);
    fputs("\n.SH OPTIONS\n", stdout);
    for (const struct option_row *row = rows; row->name; row++) man_option(row);
    for (const struct option_row *row = options_common(command); row->name; row++) man_option(row);
    man_exit();
    man_environment();
    if (command->examples) {
        fputs(".SH EXAMPLES\n.nf\n", stdout);
        roff(command->examples);
        fputs(".fi\n", stdout);
    }
    fputs(".SH SEE ALSO\n.BR planish (1)\n", stdout);
}

static void man_main(const struct command *const *commands, size_t count)
{
    man_begin("PLANISH", "planish", "makes trained networks (ONNX) run fast");
    printf(".SH SYNOPSIS\n.B planish\n\\fICOMMAND\\fR [\\fIoptions\\fR]\n.SH DESCRIPTION\n"
           "Planish imports a network as an ONNX file, optimizes it, chooses kernels for the machine, writes the result as a plan, and runs plans on CPUs and NVIDIA GPUs.\n"
           "Options are \\fB\\-\\-name value\\fR or \\fB\\-\\-name=value\\fR; an optional value only with =; \\fB\\-\\-\\fR ends them. K, M and G are base 2.\n"
           "Results go to standard output, progress and logs to standard error.\n.SH COMMANDS\n");
    for (size_t i = 0; i < count; i++) {
        printf(".TP\n.BR planish\\-%s (1)\n", commands[i]->name);
        roff(commands[i]->about);
        fputs("\n", stdout);
    }
    printf(".SH OPTIONS\n.TP\n.B \\-\\-help\nthe commands\n.TP\n.B \\-\\-version\nthe version\n.TP\n\\fB\\-\\-man\\fR [\\fICOMMAND\\fR]\nthis page, or that of a command, in man(7)\n"
           ".TP\n\\fB\\-\\-completions\\fR bash|zsh|fish\na script for the shell\n");
    man_exit();
    man_environment();
    fputs(".SH SEE ALSO\n", stdout);
    for (size_t i = 0; i < count; i++) printf(".BR planish\\-%s (1)%s\n", commands[i]->name, i + 1 < count ? "," : "");
}

int manual_print_man(const struct command *const *commands, size_t count, const char *name)
{
    if (!name) {
        man_main(commands, count);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(commands[i]->name, name) != 0) continue;
        options_visit(commands[i], man_page, NULL);
        return 0;
    }
    fprintf(stderr, "planish: there is no command '%s'; planish --help lists them\n", name);
    return 2;
}

/* ---- completions ---- */

/* Inside of '…' of a shell; specials: what else is escaped by a backslash. */
static void quoted(const char *text, const char *specials)
{
    for (; *text; text++) {
        if (*text == '\'') fputs("'\\''", stdout);
        else if (strchr(specials, *text)) printf("\\%c", *text);
        else fputc(*text, stdout);
    }
}

/* "dir|list|clean" in a command's usage: the words that come first. Static; "" where it takes files. */
static const char *first_words(const struct command *command)
{
    static char words[200];
    const char *last = strrchr(command->usage, ' ');
    const struct option_row row = { .name = "", .argument = last ? last + 1 : "" };
    snprintf(words, sizeof words, "%s", strchr(row.argument, '|') ? words_of(&row) : "");
    return words;
}

static void bash_names(void *user, const struct command *command, const struct option_row *rows)
{
    (void)user;
    const struct option_row *tables[2] = { rows, options_common(command) };
    for (int t = 0; t < 2; t++) {
        for (const struct option_row *row = tables[t]; row->name; row++) {
            if (!row->help) continue;
            printf(" --%s", row->name);
            if (row->letter) printf(" -%c", row->letter);
        }
    }
}

static void bash_values(void *user, const struct command *command, const struct option_row *rows)
{
    (void)user;
    for (const struct option_row *row = rows; row->name; row++) {
        if (!row->help || row->kind == OPTION_FLAG) continue;
        printf("        %s:--%s", command->name, row->name);
        if (row->letter) printf(" | %s:-%c", command->name, row->letter);
        if (wants_file(row)) fputs(") _planish_files \"$cur\"; return ;;\n", stdout);
        else if (words_of(row)[0]) printf(") COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")); return ;;\n", words_of(row));
        else if (takes_value(row)) fputs(") return ;;\n", stdout);
        else fputs(") ;;\n", stdout);
    }
}

static void print_names(const struct command *const *commands, size_t count)
{
    for (size_t i = 0; i < count; i++) printf("%s ", commands[i]->name);
}

static void print_bash(const struct command *const *commands, size_t count)
{
    printf("# bash completion of planish %s\n_planish_files() {\n    local IFS=$'\\n' # names may have blanks\n    COMPREPLY=($(compgen -f -- \"$1\"))\n}\n_planish() {\n    local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" command=\"${COMP_WORDS[1]}\"\n    COMPREPLY=()\n", pln_version());
    fputs("    # --name=value comes as three words.\n    if [ \"$cur\" = \"=\" ]; then cur=\"\"; elif [ \"$prev\" = \"=\" ]; then prev=\"${COMP_WORDS[COMP_CWORD-2]}\"; fi\n", stdout);
    fputs("    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W \"", stdout);
    print_names(commands, count);
    fputs("--help --version --man --completions\" -- \"$cur\"))\n        return\n    fi\n    case \"$command:$prev\" in\n        --completions:*) COMPREPLY=($(compgen -W \"bash zsh fish\" -- \"$cur\")); return ;;\n", stdout);
    fputs("        help:* | --help:* | --man:*) COMPREPLY=($(compgen -W \"", stdout);
    print_names(commands, count);
    fputs("\" -- \"$cur\")); return ;;\n", stdout);
    for (size_t i = 0; i < count; i++) options_visit(commands[i], bash_values, NULL);
    fputs("    esac\n    case \"$command:$cur\" in\n", stdout);
    for (size_t i = 0; i < count; i++) {
        printf("        %s:-*) COMPREPLY=($(compgen -W \"", commands[i]->name);
        options_visit(commands[i], bash_names, NULL);
        fputs("\" -- \"$cur\")) ;;\n", stdout);
        if (first_words(commands[i])[0]) printf("        %s:*) COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")) ;;\n", commands[i]->name, first_words(commands[i]));
    }
    fputs("        *) _planish_files \"$cur\" ;;\n    esac\n}\ncomplete -o filenames -o bashdefault -F _planish planish\n", stdout);
}

static void zsh_option(const struct option_row *row)
{
    static const char specials[] = "[]:\\";
    if (!row->help) return;
    char letter[3] = { '-', row->letter, '\0' };
    for (int i = 0; i < (row->letter ? 2 : 1); i++) {
        const char *repeat = may_repeat(row) ? "*" : "", *equals = row->kind == OPTION_FLAG || i ? "" : row->kind == OPTION_OPTIONAL ? "=-" : "=";
        printf("                '%s%s%s%s[", repeat, i ? "" : "--", i ? letter : row->name, i && takes_value(row) ? "+" : equals);
        quoted(row->help, specials);
        fputc(']', stdout);
        if (row->kind != OPTION_FLAG) {
            fputs(row->kind == OPTION_OPTIONAL ? "::" : ":", stdout);
            quoted(row->argument ? row->argument : "value", specials);
            if (wants_file(row)) fputs(":_files", stdout);
            else if (words_of(row)[0]) {
                fputs(":(", stdout);
                quoted(words_of(row), specials);
                fputc(')', stdout);
            } else fputs(": ", stdout);
        }
        fputs("' \\\n", stdout);
    }
}

static void zsh_command(void *user, const struct command *command, const struct option_row *rows)
{
    (void)user;
    printf("            %s)\n                _arguments -s \\\n", command->name);
    for (const struct option_row *row = rows; row->name; row++) zsh_option(row);
    for (const struct option_row *row = options_common(command); row->name; row++) zsh_option(row);
    if (first_words(command)[0]) printf("                '1:what:(%s)' ;;\n", first_words(command));
    else fputs("                '*:file:_files' ;;\n", stdout);
}

static void print_zsh(const struct command *const *commands, size_t count)
{
    printf("#compdef planish\n# zsh completion of planish %s\n_planish() {\n    local state line\n    local -a commands\n    commands=(\n", pln_version());
    for (size_t i = 0; i < count; i++) {
        printf("        '%s:", commands[i]->name);
        quoted(commands[i]->about, ":\\");
        fputs("'\n", stdout);
    }
    fputs("    )\n    _arguments -C '--help[show the commands]' '--version[show the version]' '1:command:->command' '*::argument:->argument'\n    case $state in\n"
          "        command) _describe command commands ;;\n        argument) case $words[1] in\n",
          stdout);
    for (size_t i = 0; i < count; i++) options_visit(commands[i], zsh_command, NULL);
    fputs("        esac ;;\n    esac\n}\nif [ \"$funcstack[1]\" = _planish ]; then _planish \"$@\"; else compdef _planish planish; fi\n", stdout);
}

static void fish_option(const struct command *command, const struct option_row *row)
{
    if (!row->help) return;
    printf("complete -c planish -n '__fish_seen_subcommand_from %s' -l %s", command->name, row->name);
    if (row->letter) printf(" -s %c", row->letter);
    if (takes_value(row)) fputs(wants_file(row) ? " -r -F" : " -x", stdout);
    if (row->kind != OPTION_FLAG && !wants_file(row) && words_of(row)[0]) printf(" -a '%s'", words_of(row));
    fputs(" -d '", stdout);
    /* Between single quotes fish knows \' and \\ alone. */
    for (const char *c = row->help; *c; c++) printf(*c == '\'' || *c == '\\' ? "\\%c" : "%c", *c);
    fputs("'\n", stdout);
}

static void fish_command(void *user, const struct command *command, const struct option_row *rows)
{
    (void)user;
    for (const struct option_row *row = rows; row->name; row++) fish_option(command, row);
    for (const struct option_row *row = options_common(command); row->name; row++) fish_option(command, row);
    if (first_words(command)[0]) printf("complete -c planish -n '__fish_seen_subcommand_from %s' -f -a '%s'\n", command->name, first_words(command));
}

static void print_fish(const struct command *const *commands, size_t count)
{
    printf("# fish completion of planish %s\n", pln_version());
    for (size_t i = 0; i < count; i++) {
        printf("complete -c planish -n __fish_use_subcommand -f -a %s -d '", commands[i]->name);
        for (const char *c = commands[i]->about; *c; c++) printf(*c == '\'' || *c == '\\' ? "\\%c" : "%c", *c);
        fputs("'\n", stdout);
    }
    fputs("complete -c planish -n __fish_use_subcommand -l help -d 'show the commands'\ncomplete -c planish -n __fish_use_subcommand -l version -d 'show the version'\n", stdout);
    for (size_t i = 0; i < count; i++) options_visit(commands[i], fish_command, NULL);
}

int manual_print_completions(const struct command *const *commands, size_t count, const char *shell)
{
    if (shell && strcmp(shell, "bash") == 0) print_bash(commands, count);
    else if (shell && strcmp(shell, "zsh") == 0) print_zsh(commands, count);
    else if (shell && strcmp(shell, "fish") == 0) print_fish(commands, count);
    else {
        fprintf(stderr, "planish: --completions wants bash, zsh or fish%s%s%s\n", shell ? ", not '" : "", shell ? shell : "", shell ? "'" : "");
        return 2;
    }
    return 0;
}
