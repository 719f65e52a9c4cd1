# open.sh PLANISH SOURCE_DIR CASES: the cases in models that tell no shapes (scripts/open_cases), once with weights whose shapes are known and once without. All must pass, whatever
# rules of import they meet. 77 where the private Python is missing.
set -eu
planish=$1 source=$2 cases=$3
cd "$source"
python=$(scripts/venv) || exit 77
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$python" scripts/open_cases "$cases" "$scratch/shapes"
"$python" scripts/open_cases --weights "$cases" "$scratch/weights"
"$planish" check "$scratch/shapes" "$scratch/weights"
