# python.sh PLANISH SOURCE_DIR SCRIPT: scripts/SCRIPT in the private Python; 77 where it is missing.
set -eu
cd "$2"
python=$(scripts/venv) || exit 77
exec "$python" "scripts/$3" --planish "$1"
