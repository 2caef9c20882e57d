-- The orders that check judges of a list with a rule: no others, and any two kinds that may be neighbours.
local building = require "moonpulse.compose.context"
local mp = require "moonpulse"
local orders = require "moonpulse.safety.orders"

--- The orders that are judged, as texts.
local function judged(list, rule)
  local function build(arrange)
    return select(2, building.with({ seed = 1, arrange = arrange }, pcall, mp.shuffle, list, rule))
  end
  local found, all = orders.of(build)
  local texts, seen = {}, {}
  for _, each in ipairs(found) do
    local text = table.concat(build(each.arrange()), "")
    texts[#texts + 1] = not seen[text] and text or nil
    seen[text] = true
  end
  table.sort(texts)
  return texts, all
end

describe("judged orders", function()
  it("are all of them where they are few", function()
    local texts, all = judged({ "a", "a", "b", "b" }, { max_in_a_row = 1 })
    assert.is_true(all)
    assert.are.same({ "abab", "baba" }, texts)
    assert.are.same({ "abab", "abba", "baab", "baba" }, (judged({ "a", "b" }, { blocks = 2 })))
  end)

  it("keep the rule, and bring every two kinds together that may be neighbours", function()
    local list = mp.counts { { "a", 8 }, { "b", 8 }, { "c", 8 } }
    for most = 1, 3 do
      local texts, all = judged(list, { max_in_a_row = most })
      assert.is_false(all)
      local together = {}
      for _, text in ipairs(texts) do
        assert.are.equal(24, #text)
        for _, letter in ipairs { "a", "b", "c" } do
          assert.is_nil(text:find(letter:rep(most + 1)))
        end
        for i = 1, 23 do
          together[text:sub(i, i + 1)] = true
        end
      end
      for pair in ("ab ac ba bc ca cb"):gmatch "%a+" do
        assert.is_true(together[pair])
      end
      assert.are.equal(most > 1 or nil, together.aa)
    end
  end)
end)
