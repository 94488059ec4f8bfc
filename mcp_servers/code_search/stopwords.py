"""Words that say nothing about which code is meant."""

_COMMON = """
a about above after again against all almost already also although always am an and another any
anyone anything anyway are aren around as at away be became because been before being below best
better between both but by came can cannot cant case cases certainly come comes could couldn
course currently did didn different do does doesn doing don done down due during each either
else enough etc even ever every everything exactly example except expect expected far few fine
following for found from further gave get gets getting give given gives go goes going good got
great had hadn happen happened happening happens has hasn have haven having he help hence here
him his how however i if im in indeed instead into is isn issue issues it its itself just know
later latest least less lets like likely little ll long look looking looks lot made maintainers
make makes making many maybe me mean means might mine more most much must my myself near
necessary need needed needs neither never next nice no none nor not nothing now obviously of off
often ok old on once one ones only onto or other others otherwise our out over own particular
people perhaps please possible possibly pretty probably problem problems quite rather re really
reasonable recent recently regarding regardless reply said same saw say says see seem seems seen
several shall she should shouldn similar simple simply since so some somehow someone something
sometimes somewhat soon still such suggest supposed sure than thank thanks that the their them
then there therefore these they thing things think this those though thought through thus to
together told too took tried tries true try trying two under understand unfortunately unless up
upon us usage use used useful user users uses using usual usually ve very via want wanted wants
was wasn ways we well went were weren what whatever when where whereas whether which who whole
whose why will wish with within without won work worked working works would wouldn wrong yes yet
you your yours actual actually behavior behaviour bug bugs reproduce reproduced reproduction
python python2 python3 ubuntu linux macos windows traceback fix fixed upgrade upgraded upgrading
release released attached screenshot workaround regression affected understanding
"""
# In code they are everywhere.
_OF_CODE = """
import from def class return self none true false if else elif for while in not and or is try
except finally raise with as pass print lambda yield global async await assert del var let const
function func fn this null nil undefined void int str bool float static public private
protected struct enum interface impl pub use mod package main main__ name__ init__ args kwargs
foo bar baz
"""
COMMON = frozenset(_COMMON.split())
"""Of questions and bug reports."""
OF_CODE = frozenset(_OF_CODE.split())
"""Of programs: keywords and names of examples."""
