"""placeholder until the template stands"""

from hilbench.store import Bundle


def render_html(bundle: Bundle) -> str:
    return "<html></html>"
