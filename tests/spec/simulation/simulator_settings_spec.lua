--- What a simulator can be told when it is switched on.
local devices = require "moonpulse.driver.find"

describe("a simulator", function()
  for _, name in ipairs(devices.names) do
    local model = assert(devices.simulator(devices.find(name)))

    it("takes the options that it shares with its driver, and what its driver leaves out is as if unsaid: "
      .. name, function()
      local told = {}
      for _, spec in ipairs(model.options or {}) do
        told[spec[1]] = spec.default
      end
      assert.are.same(model.new():state(), model.new(told):state())
    end)

    it("refuses an option that it does not know, and says which it knows: " .. name, function()
      local ok, message = pcall(model.new, { sped = 1 })
      assert.is_false(ok)
      assert.matches("there is no option sped; known: .*latency.*seed", message)
    end)
  end
end)
