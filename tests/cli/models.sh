# models.sh PLANISH SOURCE_DIR [--quick]: scripts/check_models in the private Python; 77 where it or every model is missing.
set -eu
planish=$1 source=$2
shift 2
cd "$source"
python=$(scripts/venv) || exit 77
scripts/fetch_models >/dev/null || echo "trained models are missing; those that are there are checked"
shared=${PLANISH_SHARED:-../shared}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
"$python" scripts/check_models --planish "$planish" --shared "$shared" --models "${PLANISH_MODELS:-.cache/models}" \
    --work "${PLANISH_FULL_MODELS:-.cache/models/full}" "$@" >"$log" || status=$?
cat "$log"
[ $status -eq 0 ] || exit $status
if [ "${REQUIRE_ALL:-0}" = 1 ] && ! tail -n 1 "$log" | grep -q ' 0 skipped$'; then
    echo "REQUIRE_ALL=1: models were skipped"
    exit 1
fi
case $(tail -n 1 "$log") in
"0 passed, 0 failed,"*) echo "no model is there"; exit 77 ;;
esac
