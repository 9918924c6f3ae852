# ccache.sh is sourced by what compiles: checkouts in different folders, such as worktrees and fresh clones, take each
# other's objects from ccache, where it is installed. It goes by the headers that the compiler names: where it has nothing
# yet, to look for the preprocessor's output would take a tenth longer. What the environment says already stays.
export CCACHE_DEPEND=${CCACHE_DEPEND:-true}
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-true}
