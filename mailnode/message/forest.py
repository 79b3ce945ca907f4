"""A forest whose trees are joined and cut, and which tells the root of any node (Sleator and Tarjan, 1983).

Every tree is cut into paths that go down; each path is a splay tree, by depth. `up` leads to the parent in
that, or from its top to the node that the path hangs from. Each operation takes O(log n) steps on the
average, however deep the trees are and whoever made them.
"""

from array import array
from typing import Final

NONE: Final = -1


class Forest:
    """Nodes are numbers from 0 on."""

    def __init__(self) -> None:
        self._up = array("i")
        self._left = array("i")
        self._right = array("i")

    def grow(self) -> None:
        """One node more, alone."""
        for links in (self._up, self._left, self._right):
            links.append(NONE)

    def join(self, root: int, parent: int) -> None:
        """Hang a root, with all that is below it, under a node of another tree."""
        if self._up[root] != NONE:
            self._splay(root)
        self._up[root] = parent

    def cut(self, node: int) -> None:
        """Take a node, with all that is below it, from its parent."""
        self._expose(node)
        above = self._left[node]
        self._left[node] = self._up[above] = NONE

    def root(self, node: int) -> int:
        """The root of the tree that the node is in."""
        self._expose(node)
        while self._left[node] != NONE:
            node = self._left[node]
        self._splay(node)
        return node

    def _expose(self, node: int) -> None:
        """Make the way from the root down to the node a path, and the node the top of its splay tree."""
        up, right = self._up, self._right
        self._splay(node)
        right[node] = NONE
        while (above := up[node]) != NONE:
            self._splay(above)
            right[above] = node
            self._splay(node)

    def _is_top(self, node: int) -> bool:
        up = self._up[node]
        return up == NONE or (self._left[up] != node and self._right[up] != node)

    def _splay(self, node: int) -> None:
        """Make the node the top of its splay tree."""
        up, left = self._up, self._left
        while not self._is_top(node):
            parent = up[node]
            if not self._is_top(parent):
                straight = (left[parent] == node) == (left[up[parent]] == parent)
                self._rotate(parent if straight else node)
            self._rotate(node)

    def _rotate(self, node: int) -> None:
        """Change places with the parent."""
        up, left, right = self._up, self._left, self._right
        parent = up[node]
        above = up[parent]
        if above != NONE:
            if left[above] == parent:
                left[above] = node
            elif right[above] == parent:
                right[above] = node
        near, far = (left, right) if left[parent] == node else (right, left)
        moved = near[parent] = far[node]
        if moved != NONE:
            up[moved] = parent
        far[node] = parent
        up[parent] = node
        up[node] = above
