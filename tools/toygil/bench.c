#include "tools/toygil/bench.h"
int bench__run(void)
{
	return 0;
}
