"""Run `mlflow server` in a process group."""

import os
import signal
import subprocess
import sys

from tests.helpers.processes import answers, free_port, wait_until


class MlflowServer:
    """MLflow's own server on a free port. Its data survive a kill and restart."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes]

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # as `penstock ui`
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: answers(f"{self.uri}/health"))

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
