"""URLs, from a server on this machine: what arrives, what is refused, and where a URL may not lead."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import numpy as np
import pytest
from PIL import Image

from docfleet.documents import fetch as fetching
from docfleet.documents.pages import Limits, PageCount
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source, iter_sources
from docfleet.errors import InputError
from tests.documents.makers import encoded, picture, plain_tiff, tiff
from tests.documents.server import Proxy, answer, redirect, routes, serving

PNG = encoded(Image.fromarray(picture()), "PNG")
TIFF = tiff(plain_tiff(picture()), plain_tiff(255 - picture()))


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def reader():
    with Reader() as reader:
        yield reader


def read(reader: Reader, url: str, index: int | None = None):
    (source,) = iter_sources(url)
    return reader.read(source, index)


def error_of(url: str, limits: Limits | None = None, *, listed: bool = False, allowed: bool = False) -> str:
    """What reading says, without the URL that it begins with."""
    (source,) = iter_sources([url] if listed else url)
    with Reader(limits, allow_private_urls=allowed) as reader, pytest.raises(InputError) as caught:
        reader.read(source)
    message = str(caught.value)
    assert message.startswith(f"{source.name}: ")
    assert "\n" not in message
    return message.removeprefix(f"{source.name}: ")


def test_an_image(reader):
    with serving(routes({"/a%20b.png?x=1": answer(PNG)})) as server:
        page = read(reader, f"http://127.0.0.1:{server.port}/a%20b.png?x=1#top")

    assert (page.image == picture()[..., ::-1]).all()
    assert page.input_path == f"http://127.0.0.1:{server.port}/a%20b.png?x=1#top"
    ((_, headers),) = server.requests
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["accept-encoding"] == "identity"


def test_a_document_is_fetched_once_for_its_pages_and_again_for_a_new_call(reader):
    with serving(answer(TIFF)) as server:
        url = f"http://127.0.0.1:{server.port}/a.tif"
        assert read(reader, url) == PageCount(2)
        assert (read(reader, url, 1).image == 255 - picture()[..., ::-1]).all()
        assert (read(reader, url, 0).image == picture()[..., ::-1]).all()
        assert len(server.requests) == 1

        assert read(reader, url) == PageCount(2)
        assert len(server.requests) == 2


def test_what_has_no_length_and_what_comes_in_chunks(reader):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (PNG[:7], PNG[7:])) + b"0\r\n\r\n"
    for handler in (
        answer(PNG, Content_Length=""),
        answer(chunks, Content_Length="", Transfer_Encoding="chunked"),
        answer(PNG, status="200 "),
    ):
        with serving(handler) as server:
            assert read(reader, f"http://127.0.0.1:{server.port}/").image.shape == (30, 40, 3)


def test_characters_that_a_url_cannot_have(reader):
    with serving(routes({"/%E6%96%87%20%22.png?q=%C3%BC": answer(PNG)})) as server:
        assert read(reader, f'HTTP://127.0.0.1:{server.port}/文 ".png?q=ü').image.shape == (30, 40, 3)


def test_a_url_without_a_path(reader):
    with serving(routes({"/?x": answer(PNG), "/": answer(PNG)})) as server:
        for url in (f"http://127.0.0.1:{server.port}?x", f"http://127.0.0.1:{server.port}"):
            assert read(reader, url).image.shape == (30, 40, 3)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects(status, reader):
    table = {"/a/b?x": redirect("../c", status), "/c": redirect("/d?y#z"), "/d?y": answer(PNG)}
    with serving(routes(table)) as server:
        url = f"http://127.0.0.1:{server.port}/a/b?x"
        page = read(reader, url)

        assert page.input_path == url
        assert [target for target, _ in server.requests] == ["/a/b?x", "/c", "/d?y"]


def test_too_many_redirects():
    with serving(redirect("/again")) as server:
        url = f"http://127.0.0.1:{server.port}/"
        assert error_of(url) == (
            "redirected more often than the limit of 5; raise max_url_redirects if the file can be trusted"
        )
        assert len(server.requests) == 6
        assert error_of(url, Limits(max_url_redirects=0)).startswith("redirected more often than the limit of 0")
        assert len(server.requests) == 7


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:image/png;base64,AAAA", "gopher:x"]
)
def test_a_redirect_to_something_else_than_the_web(target):
    with serving(redirect(target)) as server:
        message = error_of(f"http://127.0.0.1:{server.port}/")

    assert message.endswith("and only http and https are fetched")


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content", "206 Partial Content", "302 Found"])
def test_statuses_that_bring_no_document(status):
    with serving(answer(PNG, status=status)) as server:
        assert error_of(f"http://127.0.0.1:{server.port}/") == f"the server answers {status}"


def test_what_a_server_says_does_not_reach_the_terminal_raw():
    with serving(answer(status="404 \x1b[31mGone\x07")) as server:
        assert error_of(f"http://127.0.0.1:{server.port}/") == "the server answers 404 \\x1b[31mGone\\x07"
    with serving(answer(Content_Encoding="\x1b[2J")) as server:
        assert "(\\x1b[2J)" in error_of(f"http://127.0.0.1:{server.port}/")


def test_a_page_that_says_that_there_is_nothing():
    with serving(answer(b"<!DOCTYPE html><title>Not here</title>")) as server:
        message = error_of(f"http://127.0.0.1:{server.port}/a.png")

    assert message.startswith("an HTML page, not an image or PDF that is read")


def test_nothing_at_all():
    with serving(answer(b"")) as server:
        assert error_of(f"http://127.0.0.1:{server.port}/") == "the file is empty"


def test_compression_that_was_not_asked_for():
    with serving(answer(PNG, Content_Encoding="gzip")) as server:
        message = error_of(f"http://127.0.0.1:{server.port}/")

    assert message == "the server sends it compressed (gzip), which was not asked for"


def test_a_connection_that_ends_early():
    with serving(answer(PNG[:100], Content_Length=str(len(PNG)))) as server:
        assert error_of(f"http://127.0.0.1:{server.port}/") == f"the connection ended after 100 of {len(PNG):,} bytes"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http(raw):
    with serving(lambda _target, _headers, connection: connection.sendall(raw)) as server:
        assert error_of(f"http://127.0.0.1:{server.port}/").startswith("cannot be fetched: ")


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    assert error_of(f"http://127.0.0.1:{port}/") == "cannot be fetched: Connection refused"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://", "names no host"),
        ("http:///a.png", "names no host"),
        ("http://[::1/a.png", "cannot be fetched: "),
        ("http://127.0.0.1:99999/", "cannot be fetched: "),
        ("http://127.0.0.1:x/", "cannot be fetched: "),
        ("http://a\r\nb/", "cannot be fetched: "),
        ("http://xn--a\udcff/", "cannot be fetched: "),
        (f"http://{'a' * 300}/", "cannot be fetched: "),
        ("http://me:secret@127.0.0.1:1/", "a user name or password in a URL is not sent"),
        ("http://me@127.0.0.1:1/", "a user name or password in a URL is not sent"),
    ],
)
def test_urls_that_lead_nowhere(url, text):
    message = error_of(url)

    assert message.startswith(text)
    assert "secret" not in message


# --- Limits


def test_limit_of_size_by_what_is_announced_and_by_what_comes():
    limits = Limits(max_url_bytes=1000)
    for length in ("1001", ""):
        with serving(answer(bytes(1001), Content_Length=length)) as server:
            assert error_of(f"http://127.0.0.1:{server.port}/", limits) == (
                "more bytes than the limit of 1,000 for downloads; raise max_url_bytes if the file can be trusted"
            )
    with serving(answer(bytes(1000))) as server:
        assert "not an image" in error_of(f"http://127.0.0.1:{server.port}/", limits)


def test_what_is_announced_as_too_large_is_not_waited_for():
    done = threading.Event()

    def endless(_target, _headers, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
        done.wait(20)

    with serving(endless) as server:
        message = error_of(f"http://127.0.0.1:{server.port}/")
        assert not done.is_set()
        done.set()

    assert "max_url_bytes" in message


def drip(head: bytes, stop: threading.Event):
    """A server that sends `head` and then a byte at a time, for ever."""

    def handler(_target, _headers, connection):
        connection.sendall(head)
        while not stop.wait(0.02):
            connection.sendall(b"a")

    return handler


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nA: ", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: "]
)
def test_a_server_that_drips_is_given_up(head):
    stop = threading.Event()
    try:
        with serving(drip(head, stop)) as server:
            assert error_of(f"http://127.0.0.1:{server.port}/", Limits(max_url_seconds=1)) == (
                "not there within the limit of 1 s; raise max_url_seconds if it is worth waiting for"
            )
            stop.set()
    finally:
        stop.set()


def test_a_server_that_says_nothing_is_given_up():
    stop = threading.Event()
    with serving(lambda *_: stop.wait(20)) as server:
        try:
            message = error_of(f"http://127.0.0.1:{server.port}/", Limits(max_url_seconds=1))
        finally:
            stop.set()

    assert message.startswith("not there within the limit of 1 s")


def test_one_deadline_for_all_redirects():
    def slow(_target, _headers, connection):
        time.sleep(0.4)
        redirect("/again")(_target, _headers, connection)

    with serving(slow) as server:
        limits = Limits(max_url_seconds=1, max_url_redirects=1000)
        assert error_of(f"http://127.0.0.1:{server.port}/", limits).startswith("not there within the limit of 1 s")
        assert len(server.requests) < 10


# --- Private networks

REFUSED = "which is not an address of the public internet; allow_private_urls=True if the list of URLs can be trusted"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]
)
def test_a_url_out_of_a_list_may_not_lead_here(host):
    with serving(answer(PNG)) as server:
        message = error_of(f"http://{host}:{server.port}/", listed=True)

        assert message.startswith("leads to ")
        assert message.endswith(REFUSED)
        assert server.requests == []


def test_a_url_by_itself_may_and_so_may_a_list_that_is_trusted(reader):
    with serving(answer(PNG)) as server:
        url = f"http://localhost:{server.port}/"
        assert read(reader, url).image.shape == (30, 40, 3)

        (source,) = iter_sources([url])
        with Reader(allow_private_urls=True) as trusting:
            assert trusting.read(source).image.shape == (30, 40, 3)


@pytest.fixture
def internet(monkeypatch):
    """Names for this machine that count as public: there is no other machine to test with.

    Gives the table: name to address; the address 127.0.0.N stands for a public one where N is above 100.
    """
    names: dict[str, list[str]] = {}
    resolve = socket.getaddrinfo

    def resolving(host, port, *args, **kwargs):
        found = names.get(host, [host])
        address = found.pop(0) if len(found) > 1 else found[0]
        return resolve(address, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolving)
    judge = fetching.is_public
    monkeypatch.setattr(
        fetching, "is_public", lambda address: judge(address) or int(address.rpartition(".")[2] or 0) > 100
    )
    return names


def test_a_redirect_from_outside_may_not_lead_in(internet, reader):
    internet["public.example"] = ["127.0.0.101"]
    secret = routes({"/secret": answer(PNG)})
    with serving(secret) as inside, serving(redirect(f"http://127.0.0.1:{inside.port}/secret"), host="") as outside:
        url = f"http://public.example:{outside.port}/"
        for listed in (True, False):  # Nobody has typed the second address.
            message = error_of(url, listed=listed)
            assert message == f"leads to 127.0.0.1, {REFUSED}"
        assert inside.requests == []

        (source,) = iter_sources(url)
        with Reader(allow_private_urls=True) as trusting:
            assert trusting.read(source).image.shape == (30, 40, 3)


def test_a_redirect_from_inside_may_lead_inside(internet, reader):
    with (
        serving(routes({"/b": answer(PNG)})) as second,
        serving(redirect(f"http://127.0.0.1:{second.port}/b")) as first,
    ):
        assert read(reader, f"http://localhost:{first.port}/").image.shape == (30, 40, 3)


def test_a_redirect_from_inside_by_way_of_outside_may_not(internet):
    internet["public.example"] = ["127.0.0.101"]
    with (
        serving(answer(PNG)) as inside,
        serving(redirect(f"http://127.0.0.1:{inside.port}/"), host="") as outside,
        serving(redirect(f"http://public.example:{outside.port}/")) as first,
    ):
        assert error_of(f"http://127.0.0.1:{first.port}/").startswith("leads to 127.0.0.1, ")
        assert len(outside.requests) == 1
        assert inside.requests == []


def test_a_name_that_changes_its_address_gains_nothing(internet):
    # Looked up twice, it would be public the first time and this machine the second.
    internet["rebinding.example"] = ["127.0.0.101", "127.0.0.1"]
    with serving(answer(PNG)) as inside:
        with Reader() as reader:
            (source,) = iter_sources([f"http://rebinding.example:{inside.port}/"])
            # Only the address that was judged is connected to, and nobody listens there.
            with pytest.raises(InputError, match="Connection refused"):
                reader.read(source)
        assert internet["rebinding.example"] == ["127.0.0.1"]
        assert inside.requests == []


def test_the_next_address_of_a_host_is_tried(monkeypatch, reader):
    resolve = socket.getaddrinfo
    with serving(answer(PNG)) as server:
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, port, **options: (
                resolve("127.0.0.77", port, **options) + resolve("127.0.0.1", port, **options)
            ),
        )
        assert read(reader, f"http://two.example:{server.port}/").image.shape == (30, 40, 3)


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost that nobody has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


def test_https_with_a_certificate_that_is_known(certificate, tls, monkeypatch, reader):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    with serving(answer(TIFF), context=tls) as server:
        assert read(reader, f"https://localhost:{server.port}/") == PageCount(2)
        assert (read(reader, f"https://localhost:{server.port}/", 0).image == picture()[..., ::-1]).all()


def test_https_with_a_certificate_of_a_stranger(tls):
    with serving(answer(PNG), context=tls) as server:
        message = error_of(f"https://localhost:{server.port}/")

    assert message.startswith("cannot be fetched: ")
    assert "certificate" in message


def test_https_with_a_certificate_of_somebody_else(certificate, tls, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    with serving(answer(PNG), context=tls) as server:
        assert "certificate" in error_of(f"https://127.0.0.1:{server.port}/")


def test_https_that_drips_is_given_up(certificate, tls, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    stop = threading.Event()
    with serving(drip(b"HTTP/1.1 200 OK\r\n\r\n", stop), context=tls) as server:
        try:
            message = error_of(f"https://localhost:{server.port}/", Limits(max_url_seconds=1))
        finally:
            stop.set()

    assert message.startswith("not there within the limit of 1 s")


def test_http_where_https_was_asked_for():
    with serving(answer(PNG)) as server:
        assert error_of(f"https://localhost:{server.port}/").startswith("cannot be fetched: ")


# --- Proxies


@pytest.fixture
def proxied(monkeypatch):
    def start(port: int, scheme: str, **options) -> Proxy:
        proxy = Proxy(port, **options)
        monkeypatch.setenv(f"{scheme}_proxy", f"http://me:pass%20word@127.0.0.1:{proxy.port}")
        started.append(proxy)
        return proxy

    started: list[Proxy] = []
    yield start
    for proxy in started:
        proxy.close()


def test_a_proxy(proxied, reader):
    with serving(routes({"/a.png": answer(PNG)})) as server:
        proxy = proxied(server.port, "http")
        assert read(reader, "http://docs.example/a.png").image.shape == (30, 40, 3)

    ((target, headers),) = proxy.requests
    assert target == "http://docs.example/a.png"
    assert headers["host"] == "docs.example"
    assert headers["proxy-authorization"] == "Basic bWU6cGFzcyB3b3Jk"


def test_a_proxy_for_https(proxied, certificate, tls, monkeypatch, reader):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    with serving(answer(PNG), context=tls) as server:
        proxy = proxied(server.port, "https")
        assert read(reader, "https://localhost:4433/a.png").image.shape == (30, 40, 3)

    ((target, headers),) = proxy.requests
    assert target == "CONNECT localhost:4433"
    assert headers["proxy-authorization"].startswith("Basic ")


def test_a_proxy_that_refuses(proxied):
    proxied(1, "https", refuse=True)

    assert error_of("https://docs.example/") == (
        "cannot be fetched: the proxy answers 407 Proxy Authentication Required"
    )


def test_behind_a_proxy_an_address_cannot_be_known_and_counts_as_private(proxied):
    with serving(answer(PNG)) as server:
        proxy = proxied(server.port, "http")
        message = error_of("http://docs.example/a.png", listed=True)
        assert proxy.requests == []

        (source,) = iter_sources(["http://docs.example/a.png"])
        with Reader(allow_private_urls=True) as trusting:
            assert trusting.read(source).image.shape == (30, 40, 3)

    assert message.startswith(
        "a proxy stands before it, so that nobody knows whether its address is private; allow_priv"
    )


def test_hosts_that_need_no_proxy(proxied, monkeypatch, reader):
    with serving(answer(PNG)) as server:
        proxy = proxied(1, "http")
        monkeypatch.setenv("no_proxy", "localhost,.internal.example")
        assert read(reader, f"http://localhost:{server.port}/").image.shape == (30, 40, 3)

    assert proxy.requests == []


def test_a_proxy_of_another_kind(monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")

    assert error_of("http://docs.example/") == (
        "cannot be fetched: the proxy for http cannot be used: only http:// proxies can"
    )


def test_the_default_port_is_not_named_to_the_host(proxied, reader):
    # Signed URLs are signed for the host as it is written.
    with serving(answer(PNG)) as server:
        proxied(server.port, "http")
        read(reader, "http://docs.example/a.png")
        read(reader, "http://docs.example:8080/a.png")

    assert [headers["host"] for _, headers in server.requests] == ["docs.example", "docs.example:8080"]


def test_international_names(internet, reader):
    internet["xn--bcher-kva.example"] = ["127.0.0.1"]
    with serving(answer(PNG)) as server:
        assert read(reader, f"http://bücher.example:{server.port}/").image.shape == (30, 40, 3)

    assert server.requests[0][1]["host"] == f"xn--bcher-kva.example:{server.port}"


def test_a_download_travels_no_further_than_the_worker(reader, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with serving(answer(TIFF)) as server:
        read(reader, f"http://127.0.0.1:{server.port}/a.tif")

        assert list(tmp_path.iterdir()) == []


def test_two_urls_of_one_name_are_two_documents(reader):
    other = encoded(Image.new("RGB", (8, 8)), "PNG")
    with serving(routes({"/1/a.png": answer(PNG), "/2/a.png": answer(other)})) as server:
        first, second = (read(reader, f"http://127.0.0.1:{server.port}/{n}/a.png") for n in (1, 2))

    assert (first.image.shape, second.image.shape) == ((30, 40, 3), (8, 8, 3))
    assert np.asarray(second.image).max() == 0


def test_payload_of_a_url_is_read_like_it():
    (source,) = iter_sources(["http://127.0.0.1:1/"])

    with Reader() as reader, pytest.raises(InputError, match="not an address of the public internet"):
        reader.read(Source.from_payload(source.to_payload()))
