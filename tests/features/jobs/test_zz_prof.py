import asyncio, collections
from tests.features.jobs import test_model as tm
from tests.features.jobs.test_model import *

del TestOrder, TestMachine


class TestProf:
    def test_prof(self, machine):
        c = collections.Counter()
        st_ = collections.Counter()
        n = [0, 0]

        class M(machine):
            def teardown(self):
                n[0] += 1
                n[1] += len(self.twin.story)
                for s in self.twin.story:
                    st_[s.split()[0]] += 1
                for j in self.twin.model.jobs.values():
                    for e in j.events:
                        c[e.type, e.data["status"], e.data.get("reason")] += 1
                super().teardown()

        run_state_machine_as_test(M, settings=limits(60, 40, derandomize=True))
        print(n)
        print(st_)
        for k, v in c.most_common():
            print(v, k)
