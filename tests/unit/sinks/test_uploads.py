"""What each sink sends, byte by byte: no server is needed to say it."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.errors import LensError
from lens_gate.records.destination import SINK_KINDS, Destination
from lens_gate.sinks import SINKS, Payload, influxdb, otlp, plain, pushgateway, sink_at
from lens_gate.sinks.http import pause_of

LINES = b"run,policy=p x=1 5\n"


def payload(name="prometheus", data=b"a 1\n", **more):
    return Payload(format=name, media_type="text/plain", data=data, policy="p", **more)


def test_the_table_has_a_row_for_each_kind():
    assert {name: row.kind for name, row in SINKS.items()} == SINK_KINDS


def test_a_pushgateways_group_is_job_policy_and_labels():
    sink = Destination(to="pushgateway", format="prometheus", url="http://g:9091/pre/")
    labels = {"event": "push", "team": "a b/c?"}
    (upload,) = pushgateway.uploads(payload(labels=labels), sink)
    assert upload.method == "PUT"
    assert upload.url == (
        "http://g:9091/pre/metrics/job/lens_gate/policy/p/event/push/team@base64/YSBiL2M_"
    )
    assert upload.headers["Content-Type"] == "text/plain"


def test_a_group_that_the_address_names_is_used_as_it_is():
    url = "http://g:9091/metrics/job/mine/a/b"
    sink = Destination(to="pushgateway", format="prometheus", url=url)
    assert pushgateway.uploads(payload(), sink)[0].url == url


@pytest.mark.parametrize(
    ("value", "step"),
    [
        ("plain", "a/plain"),
        ("with blank", "a/with%20blank"),
        ("ä?#%", "a/%C3%A4%3F%23%25"),
        ("/", "a@base64/Lw=="),
        ("", "a@base64/="),
    ],
)
def test_a_label_as_a_step_of_a_path(value, step):
    assert pushgateway.step("a", value) == step


def test_half_a_pair_of_surrogates_is_still_a_group():
    assert pushgateway.step("a", "x\ud800") == "a/x%3F"


def test_dots_do_not_lead_out_of_the_group():
    """A path's ``..`` is taken out by clients and proxies, and what is left is another group."""
    for value in (".", ".."):
        assert pushgateway.step("a", value).startswith("a@base64/")


def test_influxdb_version_1_and_2():
    one = Destination(to="influxdb", format="influx", url="http://i:8086/", database="c i")
    two = Destination(to="influxdb", format="influx", url="http://i", bucket="b", org="o&p")
    rp = Destination(
        to="influxdb", format="influx", url="http://i", database="d", retention_policy="r"
    )
    assert influxdb.address(one) == "http://i:8086/write?db=c+i&precision=ns"
    assert influxdb.address(two) == "http://i/api/v2/write?bucket=b&org=o%26p&precision=ns"
    assert influxdb.address(rp) == "http://i/write?db=d&rp=r&precision=ns"


def test_an_address_with_its_query_is_kept():
    url = "http://i/api/v2/write?bucket=b&org=o&precision=s"
    sink = sink_at(url, format_name="influx")
    assert influxdb.address(sink) == "http://i/api/v2/write?bucket=b&org=o&precision=ns"


def test_influxdb_is_sent_gzipped_batches():
    data = b"".join(b"m x=%di %d\n" % (n, n) for n in range(12_000))
    sink = Destination(to="influxdb", format="influx", url="http://i", database="d")
    uploads = influxdb.uploads(payload("influx", data), sink)
    assert [gzip.decompress(u.data).count(b"\n") for u in uploads] == [5000, 5000, 2000]
    assert b"".join(gzip.decompress(u.data) for u in uploads) == data
    assert {u.headers["Content-Encoding"] for u in uploads} == {"gzip"}


def test_long_lines_go_in_smaller_batches():
    data = b"".join(b'm x="%s" %d\n' % (b"y" * 9000, n) for n in range(2000))
    sink = Destination(to="influxdb", format="influx", url="http://i", database="d")
    parts = [gzip.decompress(u.data) for u in influxdb.uploads(payload("influx", data), sink)]
    assert len(parts) == 5
    assert max(map(len, parts)) <= influxdb.BATCH_BYTES
    assert b"".join(parts) == data


def test_one_line_that_is_too_long_goes_alone():
    data = b'm x="%s" 1\n' % (b"y" * (influxdb.BATCH_BYTES + 1))
    assert list(influxdb.batches(b"a x=1 1\n" + data + b"b x=1 1\n")) == [
        b"a x=1 1\n",
        data,
        b"b x=1 1\n",
    ]


def test_tags_are_added_where_a_line_has_none_of_that_name():
    data = b"run,policy=p x=1 5\nm\\,n x=1 6\n# a comment\n\nrun,team=own x=2 7\n"
    assert influxdb.tagged(data, {"team": "a,b c=d\\"}) == (
        b"run,team=a\\,b\\ c\\=d,policy=p x=1 5\n"
        b"m\\,n,team=a\\,b\\ c\\=d x=1 6\n# a comment\n\nrun,team=own x=2 7\n"
    )
    assert influxdb.tagged(data, {}) is data


def test_a_tag_after_a_blank_is_one_that_the_line_has():
    line = b"run,policy=My\\ gate,arm=head x=1 5\n"
    assert influxdb.tagged(line, {"arm": "never"}) == line


def test_a_label_of_nothing_is_no_tag():
    assert influxdb.tagged(LINES, {"a": " \\"}) == LINES


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(), max_size=3))
def test_whatever_a_label_holds_a_line_stays_one_line(labels):
    tagged = influxdb.tagged(LINES, labels)
    assert tagged.count(b"\n") == 1
    assert tagged.endswith(b",policy=p x=1 5\n")
    assert b"\r" not in tagged


def spans(count):
    def one(n):
        return {"traceId": f"{n:032x}", "name": "chat"}

    scope = {"scope": {"name": "s"}, "spans": [one(n) for n in range(count)]}
    own = {"attributes": [{"key": "own", "value": {"stringValue": "o"}}]}
    return {"resourceSpans": [{"resource": own, "scopeSpans": [scope], "schemaUrl": "u"}]}


def bodies(uploads):
    return [json.loads(gzip.decompress(upload.data)) for upload in uploads]


def test_otlp_knows_where_metrics_and_traces_go():
    for url in ("http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"):
        sink = Destination(to="otlp", format="otlp-traces", url=url)
        data = json.dumps(spans(1)).encode()
        (upload,) = otlp.uploads(payload("otlp-traces", data), sink)
        assert upload.url == "http://c:4318/v1/traces"
    sink = Destination(to="otlp", format="otlp-metrics", url="http://c/otlp")
    (upload,) = otlp.uploads(payload("otlp-metrics", b"{}"), sink)
    assert upload.url == "http://c/otlp/v1/metrics"
    assert gzip.decompress(upload.data) == b"{}"


def test_labels_become_attributes_of_the_resource():
    sink = Destination(to="otlp", format="otlp-traces", url="http://c")
    data = json.dumps(spans(1)).encode()
    labels = {"team": "x", "own": "never"}
    (body,) = bodies(otlp.uploads(payload("otlp-traces", data, labels=labels), sink))
    attributes = body["resourceSpans"][0]["resource"]["attributes"]
    assert {a["key"]: a["value"]["stringValue"] for a in attributes} == {"own": "o", "team": "x"}


def test_many_spans_go_in_batches_and_none_is_lost():
    whole = spans(4500)
    sink = Destination(to="otlp", format="otlp-traces", url="http://c")
    found = bodies(otlp.uploads(payload("otlp-traces", json.dumps(whole).encode()), sink))
    assert [len(b["resourceSpans"][0]["scopeSpans"][0]["spans"]) for b in found] == [
        2000,
        2000,
        500,
    ]
    together = [
        s for b in found for r in b["resourceSpans"] for c in r["scopeSpans"] for s in c["spans"]
    ]
    assert together == whole["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for body in found:
        (resource,) = body["resourceSpans"]
        assert resource["schemaUrl"] == "u"
        assert resource["resource"] == whole["resourceSpans"][0]["resource"]


def points_of(body):
    return [
        (metric["name"], metric["unit"], kind, point)
        for resource in body["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
        for kind in ("gauge", "sum", "histogram")
        for point in metric.get(kind, {}).get("dataPoints", ())
    ]


def test_long_spans_go_in_smaller_batches():
    """A receiver, or the proxy before it, takes some 4 MiB at once."""
    whole = spans(4500)
    for span in whole["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span["name"] = "x" * 3000
    sink = Destination(to="otlp", format="otlp-traces", url="http://c")
    uploads = otlp.uploads(payload("otlp-traces", json.dumps(whole).encode()), sink)
    sizes = [len(gzip.decompress(upload.data)) for upload in uploads]
    assert len(sizes) == 5
    assert max(sizes) < 4 * 1024**2
    names = [
        span["traceId"]
        for body in bodies(uploads)
        for span in body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    ]
    assert names == [f"{n:032x}" for n in range(4500)]


def test_many_points_go_in_batches_and_none_is_lost():
    def metric(name, kind, count, **more):
        points = [{"asDouble": n, "attributes": ["x" * 500]} for n in range(count)]
        return {"name": name, "unit": "s", kind: {"dataPoints": points, **more}}

    metrics = [
        metric("a", "gauge", 9000),
        metric("b", "sum", 10, aggregationTemporality=2, isMonotonic=True),
        metric("c", "histogram", 3000, aggregationTemporality=2),
    ]
    scope = {"scope": {"name": "s"}, "metrics": metrics}
    whole = {"resourceMetrics": [{"resource": {}, "scopeMetrics": [scope]}]}
    data = json.dumps(whole).encode()
    sink = Destination(to="otlp", format="otlp-metrics", url="http://c")
    uploads = otlp.uploads(payload("otlp-metrics", data, labels={"team": "x"}), sink)
    assert max(len(gzip.decompress(upload.data)) for upload in uploads) < 4 * 1024**2
    found = bodies(uploads)
    assert [p for body in found for p in points_of(body)] == points_of(whole)
    sums = [
        m["sum"]
        for b in found
        for m in b["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
        if "sum" in m
    ]
    assert sums == [metrics[1]["sum"]]
    for body in found:
        (attribute,) = body["resourceMetrics"][0]["resource"]["attributes"]
        assert attribute["key"] == "team"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ""),
        (b"{}", ""),
        (b'{"partialSuccess": {}}', ""),
        (b'{"partialSuccess": null}', ""),
        (b'{"partialSuccess": {"errorMessage": "a hint"}}', ""),
        (b'{"partialSuccess": {"rejectedSpans": "0"}}', ""),
        (
            b'{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}',
            "it did not take 3 of them: 'too old'",
        ),
        (b'{"partialSuccess": {"rejectedDataPoints": 2}}', "it did not take 2 of them"),
        (b"\x0a\x00\xff", ""),
        (b"[1]", ""),
        (b'{"partialSuccess": {"rejectedSpans": "x"}}', ""),
        (b"[" * 100_000, ""),
    ],
)
def test_what_a_collector_left_out(body, words):
    assert otlp.partial(body) == words


def test_a_plain_post_has_the_formats_own_type():
    sink = Destination(to="http", format="csv", url="https://x.y/a?b=c", headers={"X-A": "b"})
    (upload,) = plain.uploads(payload("csv", b"1,2"), sink)
    assert (upload.method, upload.url, upload.data) == ("POST", "https://x.y/a?b=c", b"1,2")
    assert upload.headers == {"Content-Type": "text/plain", "X-A": "b"}


@pytest.mark.parametrize(
    ("url", "name", "to"),
    [
        ("http://g:9091/metrics/job/x", "prometheus", "pushgateway"),
        ("http://i:8086/write?db=x", "influx", "influxdb"),
        ("http://i:8086/api/v2/write?bucket=x&org=o", "influx", "influxdb"),
        ("http://c:4318", "otlp-metrics", "otlp"),
        ("http://c:4318/v1/traces", "otlp-traces", "otlp"),
        ("https://x.y/hook", "json", "http"),
        ("https://x.y/write", "csv", "http"),
        ("https://x.y/api/v1/import/prometheus?extra_label=a", "prometheus", "http"),
    ],
)
def test_which_sink_an_address_means(url, name, to):
    sink = sink_at(url, format_name=name, token_env="T")
    assert (sink.to, sink.format, sink.url, sink.token_env) == (to, name, url, "T")


@pytest.mark.parametrize(
    ("url", "name", "said"),
    [
        ("x.y/hook", "json", "no address"),
        ("ftp://x.y", "json", "no address"),
        ("http://[x", "json", "no address"),
        ("http:///path", "json", "no address"),
        ("http://x.y:99999", "json", "no address"),
        ("http://x.y:0/", "json", "no address"),
        ("http://x.y:a", "json", "no address"),
        ("http://x.y/\n", "json", "no address"),
        ("http://u:secret@x.y", "json", "holds a user name or password"),
        ("http://g/metrics/job/x", "json", "takes no json"),
        ("http://i/write?db=x", "csv", "takes no csv"),
    ],
)
def test_what_is_no_address_of_a_sink(url, name, said):
    with pytest.raises(LensError) as caught:
        sink_at(url, format_name=name)
    assert said in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Sun, 22 Nov 2026 00:00:10 GMT", 10.0),
        ("Sun, 22 Nov 2026 00:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2026 00:00:00 GMT", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("9" * 40, None),
        ("٣", None),
    ],
)
def test_how_long_a_server_asks_to_wait(text, pause):
    now = 1795305600.0  # 2026-11-22T00:00:00Z
    assert pause_of({"retry-after": text}, now) == pause
    assert pause_of({}, now) is None
