# dist.sh SOURCE_DIR: two source archives of one commit are equal, whoever makes them, and hold what is committed.
set -eu
source=$1
[ -e "$source/.git" ] || { echo "no git repository here: source archives are made of commits"; exit 77; }
command -v xz >/dev/null || { echo "xz is missing (Debian: apt install xz-utils)"; exit 77; }
git -C "$source" rev-parse HEAD >/dev/null || { echo "git does not work here"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

first=$("$source/scripts/dist" --output "$scratch/first")
(cd "$scratch/first" && sha256sum --check --quiet ./*.sha256)
# From a clone, by someone with other habits.
git clone --quiet "$source" "$scratch/clone"
git -C "$scratch/clone" checkout --quiet "$(git -C "$source" rev-parse HEAD)"
git -C "$scratch/clone" config tar.umask 0077
git -C "$scratch/clone" config core.autocrlf true
second=$(umask 077 && TZ=Asia/Tokyo LC_ALL=C XZ_OPT=-9e "$scratch/clone/scripts/dist" --output "$scratch/second")
cmp "$first" "$second"

tar -C "$scratch" -xf "$first"
unpacked=$(echo "$scratch"/planish-*)
(cd "$unpacked" && find . -type f | sed 's|^\./||' | LC_ALL=C sort) >"$scratch/have"
git -C "$source" ls-tree -r --name-only HEAD | LC_ALL=C sort | diff - "$scratch/have"
[ "$(cat "$unpacked/cmake/commit.txt")" = "$(git -C "$source" rev-parse HEAD)" ] || { echo "the archive does not say which commit it is of"; exit 1; }
echo "$(wc -l <"$scratch/have") files, twice the same $(wc -c <"$first") bytes"
