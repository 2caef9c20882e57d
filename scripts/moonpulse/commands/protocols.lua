--- moonpulse protocols: what is shipped.
local catalogue = require "moonpulse.catalogue"
local cli = require "moonpulse.cli"
local outline = require "moonpulse.outline"
local protocols = require "moonpulse.protocol"

local M = {}

function M.parser()
  return cli.parser("protocols",
    "List the shipped protocols: id, pulses, time from first to last pulse, name, source.",
    "moonpulse protocols")
end

function M.run()
  print(("%-18s %8s  %-28s %s"):format("id", "pulses", "first to last pulse", "name and source"))
  for _, protocol in ipairs(catalogue.all()) do
    local plan = assert(protocols.build(protocol, assert(protocols.values(protocol, {}))))
    local facts = catalogue.measure(plan, 1)
    print(("%-18s %8s  %-28s %s"):format(protocol.id, outline.count(facts.pulses),
      (facts.random and "about " or "") .. outline.duration(facts.first_to_last_s), protocol.name))
    if protocol.cite then
      print((" "):rep(58) .. protocol.cite)
    end
  end
end

return M
