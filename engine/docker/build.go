package docker

func (s *Server) buildRoutes() {}
