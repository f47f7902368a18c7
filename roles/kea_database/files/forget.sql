-- Remove managed reservations by their host_id. The lease monitor may execute this, but may not DELETE from hosts.
CREATE OR REPLACE FUNCTION public.kea_forget_reservations(bigint[]) RETURNS SETOF bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM public.hosts
     WHERE host_id = ANY ($1) AND user_context LIKE '%"kea-lease-monitor"%'
    RETURNING host_id::bigint;
$$;
REVOKE ALL ON FUNCTION public.kea_forget_reservations(bigint[]) FROM PUBLIC;
