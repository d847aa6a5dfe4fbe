#!/bin/sh
# Install spatial-etl from this bundle, without a network. Everything is verified first. The version before stays, to go back to.
set -eu

usage() {
  cat <<TEXT
usage: ./install.sh [--to FOLDER] [--signers FILE]   verify and install
       ./install.sh --verify [--signers FILE]        verify only
       ./install.sh --back [--to FOLDER]             go back to the version before

--to FOLDER     where to (/opt/spatial-etl); FOLDER/current is the version in use
--signers FILE  "allowed signers" of ssh-keygen: refuse a bundle that none of them has signed
TEXT
}
fail() { echo "install.sh: $*" >&2; exit 1; }

to=/opt/spatial-etl signers= action=install
while [ $# -gt 0 ]; do
  case $1 in
    --to) [ $# -ge 2 ] || fail "--to needs a folder"; to=$2; shift ;;
    --signers) [ $# -ge 2 ] || fail "--signers needs a file"; signers=$2; shift ;;
    --back) action=back ;;
    --verify) action=verify ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
case $to in /*) ;; *) to=$PWD/$to ;; esac
case $signers in '' | /*) ;; *) signers=$PWD/$signers ;; esac

point() { # the link $2 to the version $1, at once
  ln -s "versions/$1" "$to/.$2.new"
  mv -T "$to/.$2.new" "$to/$2"
}
used() { [ -L "$to/$1" ] && basename "$(readlink "$to/$1")" || true; }

if [ "$action" = back ]; then
  now=$(used current) before=$(used previous)
  [ -n "$before" ] || fail "there is no version before in $to"
  rm -f "$to/.current.new" "$to/.previous.new"
  point "$before" current
  point "$now" previous
  echo "In use: $before. Start the services again."
  exit 0
fi

cd "$(dirname "$0")"
[ -f SHA256SUMS ] || fail "SHA256SUMS is missing: this is not a whole bundle"
if [ -n "$signers" ]; then
  [ -f SHA256SUMS.sig ] || fail "the bundle is not signed; nothing was installed"
  signer=$(ssh-keygen -Y find-principals -s SHA256SUMS.sig -f "$signers" | head -n 1) || fail "none of $signers has signed the bundle; nothing was installed"
  ssh-keygen -Y verify -q -f "$signers" -I "$signer" -n spatial-etl-bundle -s SHA256SUMS.sig < SHA256SUMS >/dev/null ||
    fail "the signature does not match; nothing was installed"
  echo "Signed by $signer."
fi
sha256sum --check --strict --quiet SHA256SUMS || fail "files are missing or were changed; nothing was installed"
listed=$(sed 's/^[0-9a-f]*  //' SHA256SUMS | LC_ALL=C sort)
found=$(find . -type f ! -name SHA256SUMS ! -name SHA256SUMS.sig | sed 's/^\.\///' | LC_ALL=C sort)
[ "$listed" = "$found" ] || fail "there are files that SHA256SUMS does not name; nothing was installed"
echo "All files are as they were bundled."
[ -n "$signers" ] || echo "Who made them was not checked: give --signers FILE."
[ "$action" = install ] || exit 0

version=$(cat VERSION) wanted=$(cat PYTHON)
python=$(command -v "python$wanted") || fail "Python $wanted is needed (on Debian: apt install python$wanted python$wanted-venv); nothing was installed"
new=$to/versions/$version
if [ ! -e "$new/.whole" ]; then
  rm -rf "$new" # a part of it, from an installation that was killed
  mkdir -p "$new"
  "$python" -m venv "$new"
  pip() { "$new/bin/python" -m pip --quiet --disable-pip-version-check --no-cache-dir "$@"; }
  for list in requirements-user-code.txt requirements.txt; do
    pip install --no-index --no-deps --find-links wheels --only-binary :all: --require-hashes --requirement "$list"
  done
  pip install --no-index --no-deps wheels/spatial_etl-*.whl
  cp -R docs deploy sbom.cdx.json "$new/"
  "$new/bin/spatial-etl" --version
  : > "$new/.whole"
fi
mkdir -p "$to/bin"
install -m 755 deploy/systemd/with-credentials "$to/bin/with-credentials"
now=$(used current)
rm -f "$to/.current.new" "$to/.previous.new"
if [ "$now" != "$version" ]; then
  [ -z "$now" ] || point "$now" previous
  point "$version" current
fi
echo "In use: $to/current/bin/spatial-etl, version $version."
[ -z "$now" ] || [ "$now" = "$version" ] || echo "Before: $now. Go back with: $0 --back --to $to"
echo "Then: $to/current/bin/spatial-etl admin upgrade --dry-run; the units of systemd are in $to/current/deploy/systemd."
