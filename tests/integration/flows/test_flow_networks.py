"""Proxies and TLS files on the way from environment and policy to the wire, and into the record."""

from types import SimpleNamespace

import pytest
import trustme

from lens_gate.errors import LensError
from lens_gate.flows.networks import networks, noted
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.policy import Tls

TARGETS = {
    "far": SimpleNamespace(
        key="far",
        simulate=None,
        base_url="https://llm.corp.example/v1",
        region=None,
        tls=Tls(ca_file="ca.pem"),
    ),
    "near": SimpleNamespace(
        key="near", simulate=None, base_url="http://127.0.0.1:8000/v1", region=None, tls=Tls()
    ),
    "played": SimpleNamespace(simulate={}, base_url=None, region=None, tls=Tls(ca_file="none")),
}


@pytest.fixture
def plan():
    return SimpleNamespace(
        cells=[SimpleNamespace(target=key) for key in TARGETS],
        policy=SimpleNamespace(targets=TARGETS),
    )


@pytest.fixture
def outside(tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    environ = {"ALL_PROXY": "http://me:s3cr3t-of-mine@proxy.corp:3128"}
    return SimpleNamespace(environ=environ, cwd=tmp_path)


BY_TARGET = dict.fromkeys(TARGETS, PROVIDERS["openai-compatible"])


def test_each_target_has_its_own_way_and_the_record_says_which(plan, outside):
    found = networks(plan, BY_TARGET, outside)
    assert set(found) == {"far", "near"}
    assert (found["near"].proxy, found["near"].tls, found["near"].notes) == (None, None, ())
    assert found["far"].proxy.place == "http://proxy.corp:3128"
    assert len(found["far"].tls.get_ca_certs()) == 1
    assert noted(found) == {
        "network": "far: through the proxy http://proxy.corp:3128, "
        "certificate authorities from tls.ca_file"
    }
    assert "s3cr3t" not in repr(found)


def test_a_plain_network_leaves_no_note(plan, outside):
    outside.environ = {"NO_PROXY": "*", "ALL_PROXY": "http://proxy.corp:3128"}
    plan.cells = plan.cells[1:]
    assert noted(networks(plan, BY_TARGET, outside)) == {}


def test_what_is_wrong_names_its_target(plan, outside):
    (outside.cwd / "ca.pem").unlink()
    with pytest.raises(LensError, match=r"target 'far': tls\.ca_file") as caught:
        networks(plan, BY_TARGET, outside)
    assert caught.value.hint
    outside.environ = {"ALL_PROXY": "socks5://proxy.corp:1080"}
    with pytest.raises(LensError, match="target 'far': ALL_PROXY"):
        networks(plan, BY_TARGET, outside)


def test_a_simulated_target_needs_no_file(plan, outside):
    plan.cells = plan.cells[2:]
    assert networks(plan, BY_TARGET, outside) == {}
