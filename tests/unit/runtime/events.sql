-- Copyright (c) 2026, the baremetal.kea authors
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
-- The event objects in the form that the module kea_lease_notify makes them, as far as the reader can tell.
CREATE SCHEMA kea_events;
CREATE TABLE kea_events.lease_event (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(), id bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(), op "char" NOT NULL,
    address inet, hwaddr bytea, client_id bytea, valid_lifetime bigint, expire timestamptz, subnet_id bigint,
    hostname text, state bigint, user_context text,
    old_hwaddr bytea, old_client_id bytea, old_hostname text, old_valid_lifetime bigint, old_expire timestamptz,
    old_state bigint, old_subnet_id bigint, PRIMARY KEY (xid, id));
CREATE SEQUENCE kea_events.lease_event_lost;

CREATE FUNCTION kea_lease_notify() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO kea_events.lease_event (op, address, hwaddr, client_id, valid_lifetime, expire, subnet_id, hostname,
            state, user_context)
        VALUES ('D', '0.0.0.0'::inet + OLD.address, OLD.hwaddr, OLD.client_id, OLD.valid_lifetime, OLD.expire,
            OLD.subnet_id, OLD.hostname, OLD.state, OLD.user_context);
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO kea_events.lease_event (op, address, hwaddr, client_id, valid_lifetime, expire, subnet_id, hostname,
            state, user_context)
        VALUES ('I', '0.0.0.0'::inet + NEW.address, NEW.hwaddr, NEW.client_id, NEW.valid_lifetime, NEW.expire,
            NEW.subnet_id, NEW.hostname, NEW.state, NEW.user_context);
    ELSE
        INSERT INTO kea_events.lease_event (op, address, hwaddr, client_id, valid_lifetime, expire, subnet_id, hostname,
            state, user_context, old_hwaddr, old_client_id, old_hostname, old_valid_lifetime, old_expire, old_state,
            old_subnet_id)
        VALUES ('U', '0.0.0.0'::inet + NEW.address, NEW.hwaddr, NEW.client_id, NEW.valid_lifetime, NEW.expire,
            NEW.subnet_id, NEW.hostname, NEW.state, NEW.user_context, OLD.hwaddr, OLD.client_id, OLD.hostname,
            OLD.valid_lifetime, OLD.expire, OLD.state, OLD.subnet_id);
    END IF;
    IF pg_try_advisory_xact_lock(7349581) THEN
        NOTIFY kea_lease_events;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER kea_lease_notify_trigger AFTER INSERT OR DELETE ON lease4
    FOR EACH ROW EXECUTE FUNCTION kea_lease_notify();
CREATE TRIGGER kea_lease_notify_trigger_update AFTER UPDATE ON lease4 FOR EACH ROW
    WHEN ((OLD.hwaddr, OLD.client_id, OLD.hostname, OLD.state, OLD.subnet_id, OLD.valid_lifetime)
          IS DISTINCT FROM (NEW.hwaddr, NEW.client_id, NEW.hostname, NEW.state, NEW.subnet_id, NEW.valid_lifetime)
          OR OLD.expire < now())
    EXECUTE FUNCTION kea_lease_notify();

-- What the role's grants leave the monitor: a test that passes as superuser would prove nothing.
CREATE ROLE "kea-lease-monitor" LOGIN;
GRANT USAGE ON SCHEMA kea_events TO "kea-lease-monitor";
GRANT SELECT, DELETE ON kea_events.lease_event TO "kea-lease-monitor";
GRANT SELECT ON kea_events.lease_event_lost, lease4 TO "kea-lease-monitor";
GRANT SELECT, INSERT, UPDATE ON hosts TO "kea-lease-monitor";
GRANT USAGE ON SEQUENCE hosts_host_id_seq TO "kea-lease-monitor";
