#include "inference/serving/company.h"

#include <gtest/gtest.h>

namespace tensorferry::inference {
namespace {

// Of a hundred requests.
int Unlikely(Company& company) {
  int count = 0;
  for (int i = 0; i < 100; ++i) count += company.IsUnlikely() ? 1 : 0;
  return count;
}

TEST(Company, IsExpectedUntilNobodyCame) {
  Company company;
  EXPECT_EQ(Unlikely(company), 0);
  for (int i = 0; i < 7; ++i) company.Record(1);
  EXPECT_EQ(Unlikely(company), 0);
  company.Record(1);
  EXPECT_GT(Unlikely(company), 90);
  EXPECT_LT(Unlikely(company), 100) << "it is looked for now and then";
}

TEST(Company, IsExpectedAgainOnceSomebodyCame) {
  Company company;
  for (int i = 0; i < 100; ++i) company.Record(1);
  company.Record(2);
  EXPECT_EQ(Unlikely(company), 0);
}

}  // namespace
}  // namespace tensorferry::inference
