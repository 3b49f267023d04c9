"""21 statements that turn on an operator, a parameter's kind, or what is there already: found by who had not seen the code.

Values are drawn by a hash, so that the statistics meet what they meet in practice.
"""

# ruff: noqa: E501 - a statement reads best on one line

from __future__ import annotations

from .labelled import Case

SCHEMA = """
create extension if not exists hypopg;
create function h(i bigint, k int, n int) returns int language sql immutable as $$ select (abs(hashint8extended(i, k)) % n)::int $$;
create table invoices (id int primary key, tenant_id int not null, state text not null, due_on date not null,
  customer text not null, amount numeric(12, 2) not null, qty int not null, unit numeric(10, 2) not null);
insert into invoices select i, h(i, 221, 150), (array['draft', 'sent', 'paid', 'void'])[1 + h(i, 222, 4)],
  '2025-01-01'::date + h(i, 223, 700), 'Customer ' || substr(md5(h(i, 224, 30000)::text), 1, 10),
  h(i, 225, 1000000) / 100.0, 1 + h(i, 226, 100), h(i, 227, 100000) / 100.0 from generate_series(1, 150000) i;
create table people (id int primary key, last_name text not null, code text collate "C" not null);
insert into people select i, initcap(substr(md5((i / 3)::text), 1, 7)), upper(substr(md5((i * 7)::text), 1, 10))
  from generate_series(1, 100000) i;
create table routes (id int primary key, net cidr not null, asn int not null, descr text);
insert into routes select i, set_masklen(('10.' || h(i, 121, 256) || '.' || h(i, 122, 256) || '.0')::inet, 24)::cidr,
  h(i, 123, 3000), md5(i::text) from generate_series(1, 80000) i;
create table tickets (id int primary key, org_id int not null, state text not null, opened_at timestamptz not null, subject text);
insert into tickets select i, h(i, 181, 400), (array['open', 'closed'])[1 + h(i, 182, 2)],
  '2026-01-01Z'::timestamptz + i * interval '1 min', md5(i::text) from generate_series(1, 100000) i;
create index tickets_org_opened on tickets (org_id, opened_at);
create table ledger (id bigint primary key, account_id int not null, booked_on date not null,
  amount numeric(12, 2) not null, kind text not null, memo text not null);
insert into ledger select i, h(i, 191, 100), '2024-01-01'::date + h(i, 192, 1000), h(i, 193, 200000) / 100.0 - 1000,
  (array['fee', 'pay', 'refund'])[1 + h(i, 194, 3)], repeat(md5(i::text), 10) from generate_series(1, 100000) i;
create table orders (id int primary key, tenant_id int not null, customer_id int not null, status text not null, note text);
insert into orders select i, h(i, 11, 200), 1 + h(i, 12, 100000), 'paid', repeat(md5(i::text), 3) from generate_series(1, 250000) i;
create table messages (id int primary key, body text not null, meta jsonb not null);
insert into messages select i, 'word' || h(i, 84, 5000) || ' word' || h(i, 85, 5000) || ' lorem ipsum dolor ' || md5(i::text),
  jsonb_build_object('labels', jsonb_build_object('a', h(i, 86, 3000), 'b', h(i, 87, 40))) from generate_series(1, 100000) i;
"""

MIB = 2**20


def case(
    name: str,
    sql: str | tuple[str, ...],
    *accepted: str,
    samples: tuple[tuple[object, ...], ...] = (),
    budget: float | None = None,
) -> Case:
    """A case; the indexes of one answer are parted by `` + ``, none is the empty text."""
    asked = (sql,) if isinstance(sql, str) else sql
    return Case(
        name=name,
        sql=tuple((each, 1.0) for each in asked),
        accepted=tuple(frozenset(part for part in text.split(" + ") if part) for text in accepted or ("",)),
        samples=(samples,) + ((),) * (len(asked) - 1),
        budget=budget,
    )


PREFIXES = ((7, "Customer ab%"), (12, "Customer 3f%"))
MIDDLES = ((7, "%ab%"), (12, "Customer 3f%"))
SEARCH = "select id from messages where to_tsvector('english', body) @@ plainto_tsquery('english', $1)"

CASES = [
    # -- how a text begins
    case(
        "a prefix as a parameter",
        "select id, last_name from people where last_name like $1",
        "people btree (last_name text_pattern_ops)",
        samples=(("Abc%",),),
    ),
    case(
        "a prefix as a parameter, in C",
        "select id from people where code like $1",
        "people btree (code text_pattern_ops)",
        "people btree (code)",
        samples=(("ABC%",),),
    ),
    case(
        "a prefix behind an equality, parameters",
        "select * from invoices where tenant_id = $1 and customer like $2",
        "invoices btree (tenant_id, customer text_pattern_ops)",
        samples=PREFIXES,
    ),
    case(
        "a prefix behind an equality",
        "select * from invoices where tenant_id = 7 and customer like 'Customer a%'",
        "invoices btree (tenant_id, customer text_pattern_ops)",
    ),
    case(
        "covered, behind an equality",
        "select id, customer, amount from invoices where tenant_id = $1 and customer like $2",
        "invoices btree (tenant_id, customer text_pattern_ops)",
        "invoices btree (tenant_id, customer text_pattern_ops) include (amount, id)",
        samples=PREFIXES,
    ),
    case(
        "not always a prefix",
        "select * from invoices where tenant_id = $1 and customer like $2",
        "invoices btree (tenant_id)",
        samples=MIDDLES,
    ),
    case("a prefix that nobody sampled", "select * from people where last_name like $1"),
    case(
        "a regular expression from the beginning",
        "select * from people where last_name ~ '^Abc'",
        "people btree (last_name text_pattern_ops)",
    ),
    case("a regular expression with a choice", "select * from people where last_name ~ '^Abc|x'"),
    # -- networks
    case(
        "the networks of an address",
        "select id, asn, net from routes where net >>= $1::inet",
        "routes gist (net inet_ops)",
        samples=(("10.17.33.5",),),
    ),
    case(
        "the networks of a constant",
        "select id, asn from routes where net >> '10.17.33.5'::inet",
        "routes gist (net inet_ops)",
    ),
    case(
        "networks that overlap",
        "select id from routes where net && '10.17.33.5'::inet",
        "routes gist (net inet_ops)",
    ),
    case("one network", "select id, descr from routes where net = '10.20.30.0/24'", "routes btree (net)"),
    # -- expressions whose type decides
    case(
        "words of an expression",
        SEARCH,
        "messages gin ((to_tsvector('english'::regconfig, body)))",
        samples=(("word123",),),
    ),
    case("words of an expression, no room", SEARCH, samples=(("word123",),), budget=6 * MIB),
    case(
        "a part of a document",
        "select id from messages where meta -> 'labels' @> '{\"a\": 77}'",
        "messages gin ((meta -> 'labels'::text) jsonb_path_ops)",
    ),
    # -- what is there already
    case(
        "a twin that would only spare the table",
        "select id, subject from tickets where org_id = 7 order by opened_at desc limit 20",
    ),
    case("a twin, for fewer", "select id, subject from tickets where org_id = 7 order by opened_at desc limit 5"),
    # -- a budget that what is built has to keep: 3.7 MiB and 0.7 MiB
    case(
        "room for one",
        (
            "select account_id, sum(amount) from ledger where account_id = 17 and booked_on >= date '2026-01-01' group by account_id",
            "select id from orders where customer_id = 17",
        ),
        "orders btree (customer_id)",
        "ledger btree (account_id, booked_on)",
        "ledger btree (account_id)",
        budget=4.2 * MIB,
    ),
    case(
        "room for both",
        (
            "select account_id, sum(amount) from ledger where account_id = 17 and booked_on >= date '2026-01-01' group by account_id",
            "select id from orders where customer_id = 17",
        ),
        "orders btree (customer_id) + ledger btree (account_id)",
        budget=4.6 * MIB,
    ),
    case(
        "an expression's few values",
        "select * from invoices where coalesce(state, 'none') = 'nothing'",
        "",
        "invoices btree ((COALESCE(state, 'none'::text)))",
    ),
]
