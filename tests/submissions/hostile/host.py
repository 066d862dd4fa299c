"""Submissions that reach for the machine that they run on: its network, files, limits and other processes."""

from tests.submissions.hostile.cases import ONE_METRIC, Case, failed, flagged, graded, in_update

NETWORK, OUTSIDE, RAISES = "Tampering: network use", "Tampering: writes outside", "Tampering: raises limits"
RESULTS, ZYGOTE = "Tampering: edits results", "Tampering: the zygote"

HOST: tuple[Case, ...] = (
    flagged(
        NETWORK,
        "tries_the_network",
        "network",
        in_update("import socket\ntry: socket.create_connection(('192.0.2.1', 80), timeout=1)\nexcept OSError: pass"),
        checks=ONE_METRIC,
    ),
    flagged(
        NETWORK,
        "tries_a_datagram",
        "network",
        in_update(
            "import socket\ntry: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))\n"
            "except OSError: pass"
        ),
        checks=ONE_METRIC,
    ),
    flagged(
        NETWORK,
        "asks_for_a_name",
        "network",
        in_update("import socket\ntry: socket.gethostbyname('example.com')\nexcept OSError: pass"),
        checks=ONE_METRIC,
    ),
    flagged(
        NETWORK,
        "listens",
        "network",
        in_update("import socket\ntry: socket.socket().bind(('0.0.0.0', 8080))\nexcept OSError: pass"),
        checks=ONE_METRIC,
    ),
    flagged(
        NETWORK,
        "tries_a_socket_file",
        "network",
        in_update(
            "import socket\ntry: socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')\nexcept OSError: pass"
        ),
        checks=ONE_METRIC,
    ),
    failed(
        OUTSIDE,
        "writes_to_the_system",
        in_update("open('/usr/hostile', 'w')"),
        "Error in dlvc/metrics.py:",
        checks=ONE_METRIC,
    ),
    failed(
        OUTSIDE,
        "writes_to_the_submission",
        in_update("open(__file__, 'a')"),
        "Error in dlvc/metrics.py:",
        checks=ONE_METRIC,
    ),
    failed(
        OUTSIDE,
        "deletes_the_submission",
        in_update("import shutil; shutil.rmtree(os.path.dirname(__file__))"),
        "Error in dlvc/metrics.py:",
        checks=ONE_METRIC,
    ),
    graded(
        OUTSIDE,
        "deletes_all_that_it_may",
        in_update(
            "import shutil\nfor folder in ('/tmp', os.environ['HOME'], '/dev/shm'):\n"
            "    shutil.rmtree(folder, ignore_errors=True)"
        ),
    ),
    graded(
        OUTSIDE,
        "closes_the_submission",
        in_update(
            "for folder, _, _ in os.walk(os.path.dirname(__file__)):\n    try: os.chmod(folder, 0)\n"
            "    except OSError: pass"
        ),
        checks=ONE_METRIC,
    ),
    graded(OUTSIDE, "closes_its_scratch_folder", in_update("try: os.chmod('..', 0)\nexcept OSError: pass")),
    graded(
        OUTSIDE, "leaves_files", in_update("open('left', 'w').close(); open('../left', 'w').close()"), checks=ONE_METRIC
    ),
    graded(
        OUTSIDE,
        "leaves_a_closed_folder",
        in_update("os.mkdir('../closed'); open('../closed/left', 'w').close(); os.chmod('../closed', 0)"),
        checks=ONE_METRIC,
    ),
    graded(
        OUTSIDE,
        "leaves_links",
        in_update(
            "os.symlink('/etc', '../etc'); os.symlink(os.path.dirname(__file__), '../mine'); os.mkfifo('../fifo')"
        ),
        checks=ONE_METRIC,
    ),
    graded(
        OUTSIDE,
        "leaves_shared_memory",
        in_update("try: open('/dev/shm/left', 'w').close()\nexcept OSError: pass"),
        checks=ONE_METRIC,
    ),
    flagged(
        RAISES,
        "raises_limits",
        "control",
        in_update("""
        import resource
        for limit in (resource.RLIMIT_NPROC, resource.RLIMIT_DATA, resource.RLIMIT_FSIZE):
            try: resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            except (OSError, ValueError): pass
    """),
        checks=ONE_METRIC,
    ),
    failed(
        RAISES,
        "raises_limits_and_needs_them",
        in_update("""
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (10 ** 6, 10 ** 6))
    """),
        "Error in dlvc/metrics.py:",
        flags=frozenset({"control"}),
        checks=ONE_METRIC,
    ),
    failed(
        RESULTS,
        "writes_a_gradesheet",
        in_update(
            "for folder in ('..', '../..', '/work', '/root', os.path.expanduser('~/..')):\n"
            "    with open(folder + '/gradesheet.json', 'w') as file: file.write('{\"points\": 40}')"
        ),
        "Error in dlvc/metrics.py:",
        flags=frozenset({"opened"}),
        checks=ONE_METRIC,
    ),
    flagged(
        ZYGOTE,
        "kills_the_zygote",
        "control",
        in_update("import signal\ntry: os.kill(os.getppid(), signal.SIGKILL)\nexcept OSError: pass"),
        checks=ONE_METRIC,
    ),
    flagged(
        ZYGOTE,
        "kills_everybody",
        "control",
        in_update("import signal\ntry: os.kill(-1, signal.SIGKILL)\nexcept OSError: pass"),
        checks=ONE_METRIC,
    ),
    flagged(
        ZYGOTE,
        "stops_everybody",
        "control",
        in_update(
            "import signal\nfor pid in filter(str.isdigit, os.listdir('/proc')):\n    if int(pid) != os.getpid():\n"
            "        try: os.kill(int(pid), signal.SIGSTOP)\n        except OSError: pass"
        ),
        checks=ONE_METRIC,
    ),
    flagged(
        ZYGOTE,
        "writes_to_the_zygotes_memory",
        "opened",
        in_update(
            "try: open(f'/proc/{os.getppid()}/mem', 'r+b').write(b'x')\nexcept OSError: pass\n"
            "else: raise SystemError('it was open')"
        ),
        checks=ONE_METRIC,
    ),
    flagged(
        ZYGOTE,
        "looks_at_the_zygotes_files",
        "opened",
        in_update(
            "try: open(f'/proc/{os.getppid()}/fd/1', 'r+b').write(b'x')\nexcept OSError: pass\n"
            "else: raise SystemError('it was open')"
        ),
        checks=ONE_METRIC,
    ),
    failed(
        ZYGOTE,
        "traces_the_zygote",
        in_update("""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.ptrace(16, os.getppid(), 0, 0) == -1
        assert libc.process_vm_writev(os.getppid(), None, 0, None, 0, 0) == -1
        raise PermissionError(ctypes.get_errno(), "refused")
    """),
        "refused",
        checks=ONE_METRIC,
    ),
    graded(
        ZYGOTE, "becomes_a_session_of_its_own", in_update("os.fork() and os._exit(0)\nos.setsid()"), checks=ONE_METRIC
    ),
)
