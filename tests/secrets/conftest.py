"""Where secrets are planted: the pipeline of tests/star, the DAGs of tests/dags, the chart of tests/helm.

And the mail server of tests/worker.
"""

from tests.dags.conftest import bag as bag
from tests.helm.conftest import alone as alone
from tests.helm.conftest import whole as whole
from tests.star.conftest import pipeline as pipeline
from tests.worker.test_notices import authority as authority
