"""Where an authority of certificates looks whether a name is ours (http-01, RFC 8555 section 8.3)."""

from mailnode.auth.live import Live
from mailnode.fs import FileSystem
from mailnode.runtime import Runtime
from mailnode.upkeep.proofs import KIND, PATH, proof_at
from mailnode.web.pages import NOT_FOUND, Answer, Asked, Route, Routes


def acme_challenges(live: Live, runtime: Runtime, files: FileSystem) -> Routes:
    """What is shown at the moment; commands and the server write it into the folder of ACME."""

    async def challenge(asked: Asked) -> Answer:
        token = asked.path[len(PATH) :]
        found = await runtime.blocking.run(proof_at, files, live.config.acme_directory, token)
        return NOT_FOUND if found is None else Answer(found, KIND)

    return {PATH: Route(challenge)}
