import pytest

from lens_gate.providers.labels import labels
from lens_gate.records.exchange import ResponseHead


def told(**headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return dict(labels(ResponseHead(status=200, headers=named)))


def test_an_answer_is_found_again_by_what_its_head_says():
    assert told(
        x_request_id="req_1",
        request_id="req_2",
        apim_request_id="a",
        x_amzn_requestid="b",
        x_generation_id="gen-3",
        x_ms_region="Sweden Central",
        cf_ray="8f2-FRA",
        x_served_by="cache-fra-1",
        via="1.1 google",
        server_timing="gfet4t7; dur=412",
    ) == {
        "x-request-id": "req_1",
        "request-id": "req_2",
        "apim-request-id": "a",
        "x-amzn-requestid": "b",
        "x-generation-id": "gen-3",
        "x-ms-region": "Sweden Central",
        "cf-ray": "8f2-FRA",
        "x-served-by": "cache-fra-1",
        "via": "1.1 google",
        "server-timing": "gfet4t7; dur=412",
    }


def test_other_headers_are_nobodys_business():
    assert told(set_cookie="session=1", authorization="x", content_type="a/b", server="nginx") == {}


@pytest.mark.parametrize(
    ("encoding", "packed"), [("", False), ("identity", False), ("Identity ", False), ("gzip", True)]
)
def test_compression_is_a_label_where_there_is_one(encoding, packed):
    assert ("content-encoding" in told(content_encoding=encoding)) == packed


def test_what_a_server_says_is_one_short_line():
    found = told(via="a\r\nb\x1b[31m\u202e" + "x" * 500)["via"]
    assert found.startswith("a b [31m")
    assert len(found) == 200
    assert found.isprintable()
