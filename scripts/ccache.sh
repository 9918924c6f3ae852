# ccache.sh is sourced by what compiles: checkouts in different folders, such as worktrees and fresh clones, take each
# other's objects from ccache, where it is installed. What the environment says already stays.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-true}
