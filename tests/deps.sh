#!/bin/sh
# deps.sh - install those of the named Debian packages that are missing; say nothing when all are there.
#
# Debian 12 and 13.  Elsewhere it names what is missing and stops; DEPS=no in the environment skips the check.
set -eu
[ "${DEPS:-}" != no ] || exit 0

missing() {
    if command -v dpkg-query >/dev/null; then
        for package; do
            dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || printf '%s ' "$package"
        done
    else
        printf '%s ' "$@"
    fi
}

system() {
    # shellcheck disable=SC1091  # the file of the machine it runs on
    (. /etc/os-release 2>/dev/null && printf '%s %s' "${ID:-}" "${VERSION_ID:-}") || uname -s
}

want=$(missing "$@")
[ -n "$want" ] || exit 0

case $(system) in
    'debian 12' | 'debian 13') ;;
    *)
        echo "make deps installs packages on Debian 12 and 13 only; this is '$(system)'." >&2
        echo "Install what corresponds to these Debian packages, then add DEPS=no to the make command:" >&2
        echo "  $want" >&2
        exit 1
        ;;
esac

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "As root: apt-get install $want" >&2; exit 1; }
    as_root=sudo
fi

echo "Installing: $want"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list of words
$as_root apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $want >/dev/null
