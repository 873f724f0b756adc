#include "hb_agent.h"
#include "hb_start.h"

static struct hb_agent agent;

int main(void) {
    hb_agent_init(&agent, hb_port_start());
    for (;;) hb_agent_poll(&agent);
}
