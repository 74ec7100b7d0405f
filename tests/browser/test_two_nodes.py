"""Two people at two nodes have a session, and the node that carries it is killed under them."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Browser

from tests.browser.balancer import balancing
from tests.browser.people import DESKTOP, PHONE, Client, Clinician, end, join_urls, records
from tests.stories.worlds import two_nodes


async def test_the_node_of_a_session_is_killed_and_both_go_on_at_the_other(browser: Browser, tmp_path: Path) -> None:
    async with balancing() as balancer, two_nodes(tmp_path, embedded=True, public=balancer.url) as world:
        first, second = balancer.nodes = list(world.nodes)
        doctor = first.told["providers"][0]
        (_, name, link), *_ = [one for one in join_urls(first.told) if one[0] == doctor["id"]]
        client = await Client.at(browser, balancer.url, PHONE)
        clinician = await Clinician.at(browser, balancer.url, DESKTOP)

        # The client's connection leads to one node, the provider's to the other.
        await client.arrive(link)
        balancer.nodes = [second, first]
        await clinician.sign_in(**doctor["sign_in"])
        await clinician.start(name)
        for person in (client, clinician):
            await person.sees_and_hears()
        assert [await node.figure("ws_present") for node in world.nodes] == [1, 1]
        await clinician.open_chat()
        await client.chat("Hello")
        await clinician.page.get_by_text("Hello", exact=True).wait_for()

        # Their media are at one of the two. It dies, and nobody clicks.
        (carrier,) = [node for node in world.nodes if await node.figure("media_peers")]
        for person in (client, clinician):
            await person.note_media()
        await carrier.kill()
        for person in (client, clinician):
            await person.has_other_media()
        for person in (client, clinician):
            await person.sees_and_hears()

        # It was one session all the while; it ends, and is rejoined by both.
        await end(client)
        await clinician.screen("ended")
        await clinician.click("Rejoin Session")
        await client.click("Rejoin Session")
        for person in (client, clinician):
            await person.screen("session")
            await person.sees_and_hears()
        await end(clinician)
        await client.screen("ended")
        await clinician.click("Finish Session")
        await client.screen("closed")
        (survivor,) = [node for node in world.nodes if node.process is not None]
        assert [len(record["facts"]["segments"]) for record in await records(survivor)] == [2]
        assert (client.wrong, clinician.wrong) == ([], [])
