"""Whom a connection trusts, and what is said where the files are wrong."""

import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from lens_gate.errors import LensError
from lens_gate.records.policy import Tls
from lens_gate.transport import trust_of


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    client = authority.issue_cert("client@example.com")
    client.cert_chain_pems[0].write_to_path(folder / "client.pem")
    client.private_key_pem.write_to_path(folder / "client.key")
    client.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    trustme.CA().issue_cert("x@example.com").private_key_pem.write_to_path(folder / "other.key")
    (folder / "text.pem").write_text("no certificate")
    (folder / "locked.key").write_bytes(_encrypted(folder / "client.key"))
    return folder


def trusted(context):
    return {certificate["serialNumber"] for certificate in context.get_ca_certs()}


def test_without_files_it_is_the_systems_default(files):
    assert trust_of(Tls(), environ={}, folder=files).context is None


@pytest.mark.parametrize(
    ("tls", "environ", "note"),
    [
        (Tls(ca_file="ca.pem"), {}, "tls.ca_file"),
        (Tls(ca_file="ca.pem"), {"SSL_CERT_FILE": "other.pem"}, "tls.ca_file"),
        (Tls(), {"SSL_CERT_FILE": "ca.pem", "REQUESTS_CA_BUNDLE": "other.pem"}, "SSL_CERT_FILE"),
        (Tls(), {"REQUESTS_CA_BUNDLE": "ca.pem"}, "REQUESTS_CA_BUNDLE"),
        (Tls(), {"CURL_CA_BUNDLE": "ca.pem", "REQUESTS_CA_BUNDLE": " "}, "CURL_CA_BUNDLE"),
    ],
)
def test_the_targets_own_authorities_come_first_and_are_the_only_ones(files, tls, environ, note):
    found = trust_of(tls, environ=environ, folder=files)
    only = ssl.create_default_context(cafile=files / "ca.pem")
    assert trusted(found.context) == trusted(only)
    assert len(trusted(found.context)) == 1
    assert found.context.verify_mode is ssl.CERT_REQUIRED
    assert found.context.check_hostname
    assert found.notes == (f"certificate authorities from {note}",)


def test_a_folder_of_authorities_is_taken_too(files):
    assert trust_of(Tls(ca_file="."), environ={}, folder=files).context is not None


def test_a_client_certificate_is_noted(files):
    found = trust_of(Tls(cert_file="client.pem", key_file="client.key"), environ={}, folder=files)
    assert found.notes == ("client certificate (mTLS)",)
    assert trust_of(Tls(cert_file="both.pem"), environ={}, folder=files).context is not None


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        (Tls(ca_file="none.pem"), "can't be read"),
        (Tls(ca_file="text.pem"), "holds no certificate"),
        (Tls(key_file="client.key"), "without tls.cert_file"),
        (Tls(cert_file="client.pem", key_file="none.key"), "can't be read"),
        (Tls(cert_file="client.pem", key_file="other.key"), "belong together"),
        (Tls(cert_file="text.pem", key_file="client.key"), "belong together"),
        (Tls(cert_file="client.pem", key_file="locked.key"), "encrypted"),
    ],
)
def test_wrong_files_are_told_with_the_remedy(files, tls, words):
    with pytest.raises(LensError) as caught:
        trust_of(tls, environ={}, folder=files)
    assert words in caught.value.message
    assert caught.value.hint


def _encrypted(path):
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
