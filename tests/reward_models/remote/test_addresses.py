"""Addresses of servers: what is one, and where it leads."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_models.addresses import address_fault, kind_of, without_password
from reward_models.remote import client, run

CHARACTERS = "http://:@[]?#%\\ .-_é\u202e\ud83e\n"
PIECES = st.sampled_from([*CHARACTERS, "https://", "host", "127.0.0.1", "::1", "99999", "/v1"])


@given(st.lists(PIECES, max_size=9).map("".join) | st.lists(PIECES, max_size=6).map(lambda p: "http://" + "".join(p)))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_an_address_without_a_fault_is_taken_by_the_client(address):
    fault = address_fault(address)
    assert fault.isprintable()
    if not fault:
        run(client(address, "k", 1.0).close())


@pytest.mark.parametrize(
    ("ip", "kind"),
    [
        ("8.8.8.8", "public"),
        ("2606:4700::1111", "public"),
        ("127.8.8.8", "this machine"),
        ("0.0.0.0", "this machine"),
        ("::1", "this machine"),
        ("::ffff:127.0.0.1", "this machine"),
        ("64:ff9b::7f00:1", "this machine"),
        ("2002:7f00:1::", "this machine"),
        ("64:ff9b::808:808", "public"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd00::1", "private"),
        ("224.0.0.1", "private"),
        ("240.0.0.1", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
    ],
)
def test_where_an_address_leads(ip, kind):
    assert kind_of(ipaddress.ip_address(ip)) == kind


def test_no_password_is_shown():
    for address in ("http://me:p@ss@host/v1", "see http://me:p@ss@host/v1!", "https://p@ss@host"):
        assert "ss" not in without_password(address)
    assert without_password("http://host/a@b") == "http://host/a@b"
