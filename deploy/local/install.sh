# shellcheck shell=bash
# Gets what the engines are made of: system packages by apt-get where it may, Kafka and Elasticsearch by Maven. Sourced by
# engines.sh. Does nothing, in milliseconds, when all is there.

# version NAME prints a version from pom.xml, the one place where they stand.
version() { sed -n "s|.*<$1.version>\(.*\)</$1.version>.*|\1|p" "$HERE/pom.xml"; }

install_engines() {
  ELASTIC_DIST=$CACHE/elasticsearch-$(version elasticsearch)
  KAFKA_DIST=$CACHE/kafka-$(version kafka)-$(version log4j)
  install_packages
  fetch kafka "$KAFKA_DIST" -C
  fetch elasticsearch "$ELASTIC_DIST"
}

# install_packages installs the missing ones of what the engines that are ours need.
install_packages() {
  local missing=()
  if ours postgres && ! postgres_bin >/dev/null; then missing+=(postgresql); fi
  if ours redis && ! command -v redis-server >/dev/null; then missing+=(redis-server); fi
  if ours kafka || ours elastic; then
    java_home >/dev/null || missing+=("$(java_package)")
    if ! command -v mvn >/dev/null && ! fetched; then missing+=(maven); fi
  fi
  packages "${missing[@]}"
  # What a release has may be too old; then no second attempt would help.
  if ours postgres && ! postgres_bin >/dev/null; then
    die "this system has no Postgres 15 or newer: install one, or set TURNOUT_POSTGRES_URL to one of yours"
  fi
  if { ours kafka || ours elastic; } && ! java_home >/dev/null; then
    die "this system has no Java 17 or newer: install one and set JAVA_HOME"
  fi
}

fetched() { [ -d "$KAFKA_DIST" ] && [ -d "$ELASTIC_DIST" ]; }

# packages NAME... installs Debian packages, or says exactly what to install.
packages() {
  [ $# -gt 0 ] || return 0
  local sudo=()
  command -v apt-get >/dev/null || die "missing: $*. Install them with this system's package manager (names are Debian's) and run again"
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || die "missing: $*. Run: sudo apt-get install --no-install-recommends $*"
    sudo=(sudo -n)
  fi
  say "  missing: $*: installing with apt-get"
  # The lists are read anew only when they do not know a package: on a fresh image they are empty.
  apt-cache show "$@" >/dev/null 2>&1 || fetching "apt-get update" "${sudo[@]}" apt-get update -q || die "apt-get update failed: is the network there?"
  quiet_services "${sudo[@]}"
  fetching "apt-get install $*" "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@" ||
    { loud_services "${sudo[@]}"; die "apt-get could not install $*: see above; install them by hand and run again"; }
  loud_services "${sudo[@]}"
}

# Debian starts a server as soon as it is installed. We want the binaries and no server of the system's on 5432 or 6379,
# so a policy-rc.d (invoke-rc.d(8)) says no while we install, unless there is one already.
POLICY=/usr/sbin/policy-rc.d
quiet_services() {
  [ ! -e $POLICY ] || return 0
  printf '#!/bin/sh\n# by turnout, while it installs packages\nexit 101\n' | "$@" tee $POLICY >/dev/null
  "$@" chmod 755 $POLICY
}
loud_services() {
  if grep -q 'by turnout' $POLICY 2>/dev/null; then "$@" rm -f $POLICY; fi
}

# java_home prints the home of a Java 17 or newer: JAVA_HOME, else the one on the PATH, else Debian's.
java_home() {
  local java release
  for java in "${JAVA_HOME:-/nonexistent}/bin/java" "$(command -v java || true)" /usr/lib/jvm/java-17-openjdk-*/bin/java; do
    [ -x "$java" ] || continue
    release=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
    if [ "${release:-0}" -ge 17 ]; then
      dirname "$(dirname "$(readlink -f "$java")")"
      return 0
    fi
  done
  return 1
}

# Debian 12 and Ubuntu's older releases have Java 17 beside an older default; newer ones have a newer default, which serves
# as well. The release is asked too, because a fresh image has no package lists yet.
java_package() {
  if apt-cache show openjdk-17-jre-headless >/dev/null 2>&1 || grep -qE 'bookworm|jammy|focal' /etc/os-release 2>/dev/null; then
    echo openjdk-17-jre-headless
  else
    echo default-jre-headless
  fi
}

# fetch PROFILE DIR [MAVEN-FLAG] has Maven put an engine into a scratch directory and then moves it to its place, so that
# a fetch that broke off leaves nothing that looks complete. Two at once may both fetch; the first to finish wins.
fetch() {
  local profile=$1 dir=$2 scratch
  shift 2
  [ ! -d "$dir" ] || return 0
  mkdir -p "$CACHE" || die "cannot write $CACHE: set TURNOUT_CACHE_DIR to a directory of yours"
  scratch=$(mktemp -d "$CACHE/fetch.XXXXXX")
  fetching "Maven: $(basename "$dir")" mvn -B -ntp -Dstyle.color=never "$@" -f "$HERE/pom.xml" "-P$profile" "-Dengines.dir=$scratch" package ||
    { rm -rf "$scratch"; die "Maven could not fetch $profile: see above (network, proxy in ~/.m2/settings.xml, disk space); run again to go on"; }
  chmod -R a+rX "$scratch"
  if [ -d "$scratch/$(basename "$dir")" ]; then
    mv -T "$scratch/$(basename "$dir")" "$dir" 2>/dev/null || true
    rm -rf "$scratch"
  else
    mv -T "$scratch" "$dir" 2>/dev/null || rm -rf "$scratch"
  fi
}
