#!/bin/sh
# A real Active Directory domain for a moment: Samba's domain controller, in an overlay of this machine that nobody else
# sees, with processes and mounts of its own. It ends with its standard input, and leaves nothing but downloaded packages.
#
#   samba.sh FOLDER PACKAGES ADDRESS
#
# FOLDER holds ca.pem, cert.pem and key.pem, and in john.txt and leaver.txt a password each; PACKAGES keeps what was downloaded.
# Says READY once LDAP inside TLS answers at ADDRESS:636, or SKIPPED and why.
set -eu
skip() {
    echo "SKIPPED: $*"
    exit 0
}

if [ "${4:-}" != inside ]; then
    [ "$(id -u)" = 0 ] || skip "only root can make an overlay"
    command -v apt-get >/dev/null || skip "Samba is installed by apt-get, and there is none"
    unshare --mount --pid --fork true 2>/dev/null || skip "no namespaces of its own are allowed here"
    exec unshare --mount --pid --fork --kill-child "$0" "$1" "$2" "$3" inside
fi

folder=$(readlink -f "$1")
kept=$(readlink -f "$2")
address=$3
scripts=$(dirname "$(readlink -f "$0")")
root=/mnt/root

mkdir -p "$kept/partial"
mount -t tmpfs none /mnt || skip "no tmpfs can be mounted"
mkdir -p /mnt/upper /mnt/work "$root"
mount -t overlay none -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work "$root" 2>/dev/null ||
    skip "no overlay can be mounted"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir -p "$root/given"
mount --bind "$folder" "$root/given"
mkdir -p "$root/var/cache/apt/archives"
mount --bind "$kept" "$root/var/cache/apt/archives"
cp "$scripts/samba_seed.py" "$root/seed.py"
rm -f "$root/etc/apt/apt.conf.d/docker-clean"
# Services of packages are not started.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"

packages() {
    DEBIAN_FRONTEND=noninteractive timeout 80 chroot "$root" apt-get -o Dpkg::Options::=--force-unsafe-io \
        -o APT::Keep-Downloaded-Packages=true install -y --no-install-recommends samba samba-dsdb-modules samba-vfs-modules samba-ad-provision >>"$folder/install.log" 2>&1
}
chroot "$root" sh -c 'command -v samba' >/dev/null || packages ||
    { chroot "$root" apt-get update >>"$folder/install.log" 2>&1 && packages; } ||
    skip "Samba cannot be installed: $(tail -n 1 "$folder/install.log")"

rm -f "$root/etc/samba/smb.conf"
chroot "$root" samba-tool domain provision --realm=EXAMPLE.TEST --domain=EXAMPLE --server-role=dc \
    --dns-backend=NONE --host-name=dc1 --host-ip="$address" --targetdir=/dc \
    --option="interfaces=$address/8" --option="bind interfaces only=yes" --option="server services=ldap" \
    --option="tls cafile=/dc/ca.pem" --option="tls certfile=/dc/cert.pem" --option="tls keyfile=/dc/key.pem" \
    >"$folder/provision.log" 2>&1 || skip "no domain can be made: $(tail -n 1 "$folder/provision.log")"
cp "$folder/ca.pem" "$folder/cert.pem" "$folder/key.pem" "$root/dc/"
# Samba takes no key that others could read.
chmod 600 "$root/dc/key.pem"
chroot "$root" /usr/bin/python3 /seed.py /dc/etc/smb.conf /given >"$folder/seed.log" 2>&1 ||
    skip "the domain cannot be filled: $(tail -n 1 "$folder/seed.log")"

chroot "$root" samba --configfile=/dc/etc/smb.conf --foreground --no-process-group --model=single \
    >"$folder/samba.log" 2>&1 </dev/null &
waited=0
until chroot "$root" /usr/bin/python3 -c "import socket; socket.create_connection(('$address', 636), 1)" 2>/dev/null; do
    waited=$((waited + 1))
    [ $waited -lt 60 ] || skip "Samba does not answer: $(tail -n 1 "$folder/samba.log")"
    sleep 0.5
done
echo "READY"
# Until whoever started it closes the pipe, or ends.
cat >/dev/null
