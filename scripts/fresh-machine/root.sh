# Minimal Debian roots: made by debootstrap, entered with mounts and processes of their own. For the scripts beside it, which source this file.
#
# KNACK_ROOTS=FOLDER   keeps what debootstrap made, so that the next call unpacks it
# KNACK_MIRROR=URL     where debootstrap and apt look (else: where this machine's apt does)
# KNACK_CROSS=yes      arm64: the C++ is compiled by this machine's aarch64-linux-gnu-g++, some eight times as fast as in qemu; for roots that are
#                      not older than this machine
# TMPDIR=FOLDER        where roots are made; each takes 2 to 7 GB

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
roots=() # made, to be deleted
inside=  # the process that runs in a root

# What holds in this machine's environment and must hold in a root: the way to the registries, and what makes OpenBLAS compute right on it.
passed_on='^(https?_proxy|no_proxy|npm_config_.*|pip_.*|openblas_.*)='
certificates=/usr/local/share/this-machine.crt

die() {
  echo "$(basename "$0"): $*" >&2
  exit 2
}

# Nothing is mounted in this script's own view of the file system, so that deleting a root deletes nothing else.
tidy() {
  if [[ $inside ]]; then kill -KILL "$inside" 2>/dev/null || true; fi # unshare passes over SIGTERM
  wait 2>/dev/null || true
  if ((${#roots[@]} > 0)); then rm -rf --one-file-system "${roots[@]}"; fi
}
at_exit=tidy # a script may put more before it
trap '$at_exit' EXIT
trap 'exit 130' INT TERM HUP

# requirements ARCH...: ends the script where roots of these architectures cannot be made here
requirements() {
  ((EUID == 0)) || die "only root can make Debian roots: run it by sudo"
  local program
  for program in debootstrap unshare chroot git npm; do
    command -v "$program" >/dev/null || die "it needs $program (apt-get install debootstrap util-linux coreutils git npm)"
  done
  if [[ " $* " == *" arm64 "* && $(dpkg --print-architecture) != arm64 ]]; then emulate_arm64; fi
}

# Programs of arm64 are run by qemu until this script ends, unless the machine does so anyway.
emulate_arm64() {
  local binfmt=/proc/sys/fs/binfmt_misc
  [[ -e $binfmt/qemu-aarch64 ]] && return
  command -v update-binfmts >/dev/null && update-binfmts --display qemu-aarch64 >/dev/null 2>&1 ||
    die "arm64 roots need qemu's user mode here: apt-get install qemu-user-static binfmt-support"
  local mounted=
  [[ -e $binfmt/status ]] && mounted=yes
  update-binfmts --enable qemu-aarch64
  trap "\$at_exit; update-binfmts --disable qemu-aarch64; [[ '$mounted' ]] || umount $binfmt" EXIT
}

# The Debian mirror of this machine's apt; nothing where it is no Debian.
mirror() {
  echo "${KNACK_MIRROR:-$(apt-get indextargets --format '$(SITE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
    awk '$2 == "main" && !/security/ { print $1; exit }')}"
}

# make_root SUITE ARCH: a new root with nothing but debootstrap's smallest choice of packages, its folder in $root
make_root() {
  local suite=$1 arch=$2 kept=${KNACK_ROOTS:+$KNACK_ROOTS/$1-$2.tar}
  root=$(mktemp -d "${TMPDIR:-/tmp}/knack-$suite-$arch-XXXXXX")
  roots+=("$root")
  chmod 755 "$root"
  if [[ $kept && -e $kept ]]; then
    tar -xpf "$kept" -C "$root"
  else
    debootstrap --variant=minbase --arch="$arch" "$suite" "$root" $(mirror)
    if [[ $kept ]]; then
      mkdir -p "$KNACK_ROOTS"
      tar -cpf "$kept.$$" -C "$root" .
      mv "$kept.$$" "$kept"
    fi
  fi
  local bundle=${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
  if [[ -e $bundle ]]; then cp "$bundle" "$root$certificates"; fi
  cp /etc/resolv.conf "$root/etc/"
  echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/no-root-is-kept"
  apt-config dump | grep -E '^Acquire::https?::Proxy' >"$root/etc/apt/apt.conf.d/this-machine" || true
}

# drop_root: deletes the root that was made last
drop_root() {
  rm -rf --one-file-system "$root"
  root=
}

# Of $user, or of root where there is none.
home_in_root() {
  echo "${user:+/home/}${user:-/root}"
}

# in_root COMMAND: runs a line of bash in $root, in knack's folder where that is there, as $user (else root)
in_root() {
  local variables=(
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive
    "npm_config_registry=$(npm config get registry)" "npm_config_cafile=$certificates" "PIP_CERT=$certificates"
    "NODE_EXTRA_CA_CERTS=$certificates"
  )
  if [[ -d $root/host ]]; then variables+=(CXX=/host/usr/bin/aarch64-linux-gnu-g++); fi
  local variable index
  if index=$(pip config get global.index-url 2>/dev/null); then variables+=("PIP_INDEX_URL=$index"); fi
  while read -r variable; do
    [[ $variable == *=/etc/* ]] || variables+=("$variable")
  done < <(env | grep -iE "$passed_on")
  local become=()
  if [[ ${user:-} ]]; then become=(setpriv "--reuid=$user" "--regid=$user" --clear-groups); fi
  # The mounts and all processes are gone when this ends, however it ends.
  unshare --mount --pid --fork --kill-child bash -c '
    set -e
    root=$1; shift
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    if [[ -d $root/host ]]; then mount -o bind,ro / "$root/host"; fi
    exec chroot "$root" "$@"' in-root \
    "$root" env -i "${variables[@]}" "HOME=$(home_in_root)" "${become[@]}" \
    bash -c "cd ~/knack 2>/dev/null || cd ~; $1" </dev/null &
  inside=$!
  local status=0
  wait "$inside" || status=$?
  inside=
  return "$status"
}

# install PACKAGE...: into $root
install() {
  in_root "apt-get update -qq && apt-get install -qq -y --no-install-recommends $*"
}

# lend_compiler: gives $root, of arm64, this machine's compiler for it, which finds its own files below /host and all others in the root
lend_compiler() {
  command -v aarch64-linux-gnu-g++ >/dev/null || die "KNACK_CROSS needs aarch64-linux-gnu-g++ (apt-get install g++-aarch64-linux-gnu)"
  mkdir "$root/host"
  ln -s /host/usr/lib64 "$root/lib64"
  ln -s /host/usr/lib/x86_64-linux-gnu "$root/usr/lib/"
  ln -s /host/usr/aarch64-linux-gnu "$root/usr/"
}

# give_node SUITE ARCH: Debian's Node and npm where they are new enough, else those that nodejs.org gives out, by way of npm's registry
give_node() {
  if [[ $1 != bookworm ]]; then
    install nodejs npm
    return
  fi
  local folder package
  folder=$(mktemp -d "$root/tmp/node-XXXXXX")
  for package in "node-linux-${2/amd64/x64}@22" npm@10; do
    (cd "$folder" && tar -xzf "$(npm pack --silent "$package")" && mv package "${package%@*}")
  done
  cp -r "$folder"/node-linux-*/. "$root/usr/local/"
  mkdir -p "$root/usr/local/lib/node_modules"
  mv "$folder/npm" "$root/usr/local/lib/node_modules/"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
  rm -r "$folder"
}

# add_user NAME: everything from here on is run by a user who may not become root
add_user() {
  in_root "useradd --create-home $1"
  user=$1
}

# clone_knack: this repository's last commit into the home of $user (else root) in $root
clone_knack() {
  git clone --quiet --no-hardlinks "$repository" "$root$(home_in_root)/knack"
  if [[ ${user:-} ]]; then chroot "$root" chown -R "$user:" "/home/$user/knack"; fi
}
