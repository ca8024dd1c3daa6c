"""Writes the properties that the kit reads: where the node is, and which dataset or agreement each case asks for.

usage: properties.py self KITPORT | properties.py node KITPORT NODEURL [PARTICIPANT]

PARTICIPANT is the node's participant id, which the kit names as the assignee of what it offers.

The ids are those of the kit's sample; the node's test profile answers by them. In `self` mode the kit tests the connector
inside itself and all ids stay unset: it then wants offers that it named itself.
"""
import sys

AGENT = sys.argv[4] if len(sys.argv) > 4 else "CONNECTOR_UNDER_TEST"
# Of each group of cases how many there are: the kit numbers them GROUP_NUMBER.
PROVIDER = {"01": 4, "02": 7, "03": 4}
CONSUMER = {"01": 4, "02": 6, "03": 6}
TRANSFER = {"01": 5, "02": 5, "03": 6}


def cases(groups):
    """Group and number of each case, as two digits."""
    return [(group, f"{number:02}") for group, count in groups.items() for number in range(1, count + 1)]


def common(port):
    """What both modes need."""
    return {
        "dataspacetck.debug": "false",
        "dataspacetck.ansi": "false",
        "dataspacetck.launcher": "org.eclipse.dataspacetck.dsp.system.DspSystemLauncher",
        "dataspacetck.host": "127.0.0.1",
        "dataspacetck.port": port,
        "dataspacetck.callback.address": f"http://127.0.0.1:{port}",
        "dataspacetck.dsp.connector.agent.id": AGENT,
        # Seconds, whatever the kit's own text says.
        "dataspacetck.dsp.default.wait": "15",
    }


def node(root):
    """Where our node is, and the ids."""
    out = {
        "dataspacetck.dsp.local.connector": "false",
        "dataspacetck.dsp.connector.http.url": f"{root}/dsp/2025-1",
        "dataspacetck.dsp.connector.http.base.url": root,
        "dataspacetck.dsp.connector.negotiation.initiate.url": f"{root}/tck/negotiations/requests",
        "dataspacetck.dsp.connector.transfer.initiate.url": f"{root}/tck/transfers/requests",
        "dataspacetck.dsp.connector.http.headers.authorization": "Bearer tck",
        "CAT_01_01_DATASETID": "CAT0101",
        "CAT_01_02_DATASETID": "CAT0102",
    }
    for group, number in cases(PROVIDER):
        dataset = f"ACN{group}{number}"
        out[f"CN_{group}_{number}_DATASETID"] = dataset
        out[f"CN_{group}_{number}_OFFERID"] = f"CD123:{dataset}:456"
    for group, number in cases(CONSUMER):
        out[f"CN_C_{group}_{number}_DATASETID"] = f"ACNC{group}{number}"
    for group, number in cases(TRANSFER):
        for role, agreement in (("TP", "ATP"), ("TP_C", "ATPC")):
            out[f"{role}_{group}_{number}_AGREEMENTID"] = f"{agreement}{group}{number}"
            out[f"{role}_{group}_{number}_FORMAT"] = "HttpData-PULL"
    return out


def main(mode, port, root=None):
    """Prints them."""
    settings = {**common(port), **(node(root) if mode == "node" else {"dataspacetck.dsp.local.connector": "true"})}
    for name, value in settings.items():
        print(f"{name}={value}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
