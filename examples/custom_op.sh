# custom_op.sh PROGRAM: three times 1 and 2.
set -eu
[ "$("$1")" = "3 6" ]
