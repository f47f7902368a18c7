#!/bin/sh
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs a DNS server whose two zones a TSIG key may change: dns.sh bind9|knot SECRET.
program=$1 secret=$2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$program" bind9-dnsutils >/dev/null
case $program in
bind9) directory=/var/lib/bind ;;
knot) directory=/var/lib/knot ;;
esac
for zone in lab.example 77.10.in-addr.arpa; do
    printf '$TTL 60\n@ SOA ns.%s. root.%s. 1 60 60 600 60\n@ NS ns.lab.example.\n' $zone $zone >$directory/$zone.zone
done
printf 'ns A 127.0.0.1\nprinter A 192.0.2.99\n' >>$directory/lab.example.zone
if [ "$program" = bind9 ]; then
    chown bind: $directory/*.zone
    cat >/etc/bind/named.conf.local <<END
key "kea.lab.example." { algorithm hmac-sha256; secret "$secret"; };
zone "lab.example" { type primary; file "$directory/lab.example.zone"; allow-update { key "kea.lab.example."; }; };
zone "77.10.in-addr.arpa" { type primary; file "$directory/77.10.in-addr.arpa.zone"; allow-update { key "kea.lab.example."; }; };
END
    systemctl restart named
else
    chown knot: $directory/*.zone
    cat >/etc/knot/knot.conf <<END
server:
    listen: 0.0.0.0@53
database:
    storage: $directory
key:
  - id: kea.lab.example.
    algorithm: hmac-sha256
    secret: $secret
acl:
  - id: kea
    key: kea.lab.example.
    action: update
template:
  - id: default
    storage: $directory
    file: "%s.zone"
    acl: kea
zone:
  - domain: lab.example
  - domain: 77.10.in-addr.arpa
END
    systemctl restart knot
fi
