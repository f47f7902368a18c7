-- Copyright (c) 2026, the baremetal.kea authors
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
-- What the module kea_lease_notify adds with lease6, and the role kea_database grants; the rest is in events.sql.
ALTER TABLE kea_events.lease_event
    ADD duid bytea, ADD iaid bigint, ADD lease_type smallint, ADD prefix_len smallint,
    ADD old_duid bytea, ADD old_iaid bigint;

CREATE FUNCTION kea_lease6_notify() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    now lease6%ROWTYPE := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    INSERT INTO kea_events.lease_event (op, address, hwaddr, duid, iaid, lease_type, prefix_len, valid_lifetime, expire,
        subnet_id, hostname, state, user_context)
    VALUES (left(TG_OP, 1)::"char", now.address::text::inet, now.hwaddr, now.duid, now.iaid, now.lease_type,
        now.prefix_len, now.valid_lifetime, now.expire, now.subnet_id, now.hostname, now.state, now.user_context);
    IF TG_OP = 'UPDATE' THEN
        UPDATE kea_events.lease_event
           SET (old_hwaddr, old_duid, old_iaid, old_hostname, old_valid_lifetime, old_expire, old_state, old_subnet_id)
             = (OLD.hwaddr, OLD.duid, OLD.iaid, OLD.hostname, OLD.valid_lifetime, OLD.expire, OLD.state, OLD.subnet_id)
         WHERE id = currval(pg_get_serial_sequence('kea_events.lease_event', 'id'));
    END IF;
    IF pg_try_advisory_xact_lock(7349581) THEN
        NOTIFY kea_lease_events;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER kea_lease_notify_trigger AFTER INSERT OR UPDATE OR DELETE ON lease6
    FOR EACH ROW EXECUTE FUNCTION kea_lease6_notify();

GRANT SELECT ON lease6 TO "kea-lease-monitor";
GRANT SELECT, INSERT, UPDATE ON ipv6_reservations TO "kea-lease-monitor";
GRANT USAGE ON SEQUENCE ipv6_reservations_reservation_id_seq TO "kea-lease-monitor";
