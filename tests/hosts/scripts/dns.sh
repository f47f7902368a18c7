#!/bin/sh
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs a DNS server whose zones a TSIG key may change: dns.sh bind9|knot SECRET [FORWARD "REVERSE..." KEY].
program=$1 secret=$2 forward=${3:-lab.example} reverse=${4:-77.10.in-addr.arpa 6.1.0.0.8.b.d.0.1.0.0.2.ip6.arpa}
key=${5:-kea.lab.example.}
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$program" bind9-dnsutils >/dev/null
case $program in
bind9) directory=/var/lib/bind ;;
knot) directory=/var/lib/knot ;;
esac
for zone in $forward $reverse; do
    printf '$TTL 60\n@ SOA ns.%s. root.%s. 1 60 60 600 60\n@ NS ns.%s.\n' $zone $zone $forward >$directory/$zone.zone
done
printf 'ns A 127.0.0.1\nprinter A 192.0.2.99\n' >>$directory/$forward.zone
if [ "$program" = bind9 ]; then
    chown bind: $directory/*.zone
    cat >/etc/bind/named.conf.local <<END
key "$key" { algorithm hmac-sha256; secret "$secret"; };
END
    for zone in $forward $reverse; do
        echo "zone \"$zone\" { type primary; file \"$directory/$zone.zone\"; allow-update { key \"$key\"; }; };"
    done >>/etc/bind/named.conf.local
    systemctl restart named
else
    chown knot: $directory/*.zone
    cat >/etc/knot/knot.conf <<END
server:
    listen: 0.0.0.0@53
database:
    storage: $directory
key:
  - id: $key
    algorithm: hmac-sha256
    secret: $secret
acl:
  - id: kea
    key: $key
    action: update
template:
  - id: default
    storage: $directory
    file: "%s.zone"
    acl: kea
zone:
END
    for zone in $forward $reverse; do
        echo "  - domain: $zone"
    done >>/etc/knot/knot.conf
    systemctl restart knot
fi
